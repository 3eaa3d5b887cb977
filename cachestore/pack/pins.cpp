#include "cachestore/pack/pins.h"

#include <algorithm>
#include <string_view>

namespace promptcache {
namespace {

constexpr size_t kLineBytes = 65;

Result<std::vector<UnitKey>> KeysOf(std::string_view lines) {
  std::vector<UnitKey> keys;
  for (; !lines.empty(); lines.remove_prefix(kLineBytes)) {
    const Result<UnitKey> key = UnitKey::FromHex(lines.substr(0, kLineBytes - 1));
    if (!key.ok() || lines.size() < kLineBytes || lines[kLineBytes - 1] != '\n') {
      return DataLoss(std::string("the record '") + kPinsRecord + "' is not a key a line");
    }
    keys.push_back(*key);
  }
  return keys;
}

}  // namespace

MetaEntry PinsRecordOf(const std::vector<BlobInfo>& blobs) {
  MetaEntry record{.key = kPinsRecord};
  for (const BlobInfo& blob : blobs) {
    if (blob.use.pinned) record.value += blob.key.ToHex() + "\n";
  }
  return record;
}

Result<std::optional<PinReceipt>> ImportPins(const PackReader& pack, StoreAdmin& store) {
  const auto& records = pack.manifest().records;
  const auto record = std::find_if(records.begin(), records.end(),
                                   [](const PackRecord& one) { return one.key == kPinsRecord; });
  if (record == records.end()) return std::optional<PinReceipt>();
  PC_ASSIGN_OR_RETURN(const std::string lines, pack.ReadRecord(*record));
  BlobSelector pinned;
  PC_ASSIGN_OR_RETURN(pinned.keys, KeysOf(lines));
  if (pinned.keys.empty()) return std::optional(PinReceipt{});
  PC_ASSIGN_OR_RETURN(const PinReceipt receipt, store.SetPins(pinned, PinChange::kPin));
  return std::optional(receipt);
}

}  // namespace promptcache

#include "tools/cli/store/removal.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/cli/store/blob_list.h"
#include "tools/cli/store/selection.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

using nlohmann::json;

uint64_t RemovedBytes(const RemovalReceipt& receipt) {
  uint64_t bytes = 0;
  for (const RemovedBlob& blob : receipt.removed) bytes += blob.bytes;
  return bytes;
}

json KeysToJson(const std::vector<UnitKey>& keys) {
  json list = json::array();
  for (const UnitKey& key : keys) list.push_back(key.ToHex());
  return list;
}

std::string RenderKept(const KeptBlob& blob) {
  std::string out = fmt::format("stays    {}  {}\n", blob.key.ToHex(), FormatBytes(blob.bytes));
  if (blob.references.empty()) return out + "         pinned by an operator\n";
  for (const Reference& one : blob.references) {
    out += fmt::format("         unit of {}\n", ReferenceText(one));
  }
  return out;
}

std::string RenderProof(const RemovalReceipt& receipt) {
  if (receipt.still_on_disk.empty()) return "disk: no file of the store holds any of them\n";
  std::string out;
  for (const UnitKey& key : receipt.still_on_disk) {
    out += fmt::format("disk: a file still holds {}\n", key.ToHex());
  }
  return out + "disk: a reader holds them, or the disk refuses; try again\n";
}

}  // namespace

RemovalReceipt PlanRemoval(const std::vector<BlobInfo>& blobs, const BlobSelector& selector) {
  const bool by_key = !selector.keys.empty() && !selector.names_references();
  RemovalReceipt receipt;
  for (const BlobInfo& blob : blobs) {
    if (!IsSelected(selector, blob)) continue;
    KeptBlob kept{.key = blob.key, .bytes = blob.bytes};
    for (const BlobReference& one : blob.use.references) {
      if (selector.Matches(one.reference)) {
        ++receipt.references;
      } else {
        kept.references.push_back(one.reference);
      }
    }
    if (kept.references.empty() && (by_key || !blob.use.pinned)) {
      receipt.removed.push_back({.key = blob.key, .bytes = blob.bytes});
    } else {
      receipt.shared.push_back(std::move(kept));
    }
  }
  return receipt;
}

json RemovalToJson(const RemovalReceipt& receipt, Removal removal) {
  json removed = json::array();
  for (const RemovedBlob& blob : receipt.removed) {
    removed.push_back({{"key", blob.key.ToHex()}, {"bytes", blob.bytes}});
  }
  json shared = json::array();
  for (const KeptBlob& blob : receipt.shared) {
    json references = json::array();
    for (const Reference& one : blob.references) references.push_back(ReferenceToJson(one));
    shared.push_back(
        {{"key", blob.key.ToHex()}, {"bytes", blob.bytes}, {"references", std::move(references)}});
  }
  json out = {{"dry_run", removal == Removal::kPlanned}, {"references", receipt.references},
              {"tiers", json::array({"disk"})},          {"removed_bytes", RemovedBytes(receipt)},
              {"removed", std::move(removed)},           {"shared", std::move(shared)}};
  if (removal == Removal::kProved) out["still_on_disk"] = KeysToJson(receipt.still_on_disk);
  return out;
}

std::string RenderRemoval(const RemovalReceipt& receipt, Removal removal) {
  const bool planned = removal == Removal::kPlanned;
  std::string out;
  for (const RemovedBlob& blob : receipt.removed) {
    out += fmt::format("{}  {}  {}\n", planned ? "would go" : "removed ", blob.key.ToHex(),
                       FormatBytes(blob.bytes));
  }
  for (const KeptBlob& blob : receipt.shared) out += RenderKept(blob);
  out += fmt::format(
      "{}{} references dropped, {} units removed from disk ({}), {} stay because "
      "others use them\n",
      planned ? "would be: " : "", receipt.references, receipt.removed.size(),
      FormatBytes(RemovedBytes(receipt)), receipt.shared.size());
  return removal == Removal::kProved ? out + RenderProof(receipt) : out;
}

}  // namespace promptcache

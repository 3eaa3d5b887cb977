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

// What was to be dropped of it and is still there is held by a pin.
bool IsPinned(const BlobSelector& selector, const KeptBlob& blob) {
  const auto& left = blob.references;
  return left.empty() || std::any_of(left.begin(), left.end(),
                                     [&](const Reference& one) { return selector.Matches(one); });
}

json KeysToJson(const std::vector<UnitKey>& keys) {
  json list = json::array();
  for (const UnitKey& key : keys) list.push_back(key.ToHex());
  return list;
}

json KeptToJson(const std::vector<KeptBlob>& blobs) {
  json list = json::array();
  for (const KeptBlob& blob : blobs) {
    json references = json::array();
    for (const Reference& one : blob.references) references.push_back(ReferenceToJson(one));
    list.push_back(
        {{"key", blob.key.ToHex()}, {"bytes", blob.bytes}, {"references", std::move(references)}});
  }
  return list;
}

std::string RenderKept(const KeptBlob& blob) {
  std::string out = fmt::format("stays    {}  {}\n", blob.key.ToHex(), FormatBytes(blob.bytes));
  for (const Reference& one : blob.references) {
    out += fmt::format("         unit of {}\n", ReferenceText(one));
  }
  return out;
}

std::string RenderPinned(const KeptBlob& blob, std::string_view store_options) {
  return RenderKept(blob) +
         fmt::format("         pinned: `promptcache store unpin{} {}` lets it go\n", store_options,
                     FormatDigest(blob.key));
}

std::string RenderProof(const RemovalReceipt& receipt) {
  if (receipt.removed.empty()) return "disk: nothing was removed, so there is nothing to prove\n";
  if (receipt.still_on_disk.empty()) return "disk: no file of the store holds any of the removed\n";
  std::string out;
  for (const UnitKey& key : receipt.still_on_disk) {
    out += fmt::format("disk: a file still holds {}\n", key.ToHex());
  }
  return out + "disk: a reader holds them, or the disk refuses; try again\n";
}

}  // namespace

RemovalReceipt PlanRemoval(const std::vector<BlobInfo>& blobs, const BlobSelector& selector) {
  RemovalReceipt receipt;
  for (const BlobInfo& blob : blobs) {
    if (!IsSelected(selector, blob)) continue;
    KeptBlob kept{.key = blob.key, .bytes = blob.bytes};
    for (const BlobReference& one : blob.use.references) {
      if (!blob.use.pinned && selector.Matches(one.reference)) {
        ++receipt.references;
      } else {
        kept.references.push_back(one.reference);
      }
    }
    if (kept.references.empty() && !blob.use.pinned) {
      receipt.removed.push_back({.key = blob.key, .bytes = blob.bytes});
    } else {
      receipt.shared.push_back(std::move(kept));
    }
  }
  return receipt;
}

RemovalReport ReportRemoval(const BlobSelector& selector, RemovalReceipt receipt) {
  RemovalReport report{.receipt = std::move(receipt)};
  std::vector<KeptBlob> shared;
  for (KeptBlob& blob : report.receipt.shared) {
    (IsPinned(selector, blob) ? report.pinned : shared).push_back(std::move(blob));
  }
  report.receipt.shared = std::move(shared);
  return report;
}

json RemovalToJson(const RemovalReport& report, Removal removal) {
  const RemovalReceipt& receipt = report.receipt;
  json removed = json::array();
  for (const RemovedBlob& blob : receipt.removed) {
    removed.push_back({{"key", blob.key.ToHex()}, {"bytes", blob.bytes}});
  }
  json out = {{"dry_run", removal == Removal::kPlanned}, {"references", receipt.references},
              {"tiers", json::array({"disk"})},          {"removed_bytes", RemovedBytes(receipt)},
              {"removed", std::move(removed)},           {"shared", KeptToJson(receipt.shared)},
              {"pinned", KeptToJson(report.pinned)}};
  if (removal == Removal::kProved) out["still_on_disk"] = KeysToJson(receipt.still_on_disk);
  return out;
}

std::string RenderRemoval(const RemovalReport& report, Removal removal) {
  const RemovalReceipt& receipt = report.receipt;
  const bool planned = removal == Removal::kPlanned;
  std::string out;
  for (const RemovedBlob& blob : receipt.removed) {
    out += fmt::format("{}  {}  {}\n", planned ? "would go" : "removed ", blob.key.ToHex(),
                       FormatBytes(blob.bytes));
  }
  for (const KeptBlob& blob : receipt.shared) out += RenderKept(blob);
  for (const KeptBlob& blob : report.pinned) out += RenderPinned(blob, report.store_options);
  out += fmt::format("{}{} references dropped, {} units removed from disk ({})",
                     planned ? "would be: " : "", receipt.references, receipt.removed.size(),
                     FormatBytes(RemovedBytes(receipt)));
  if (!receipt.shared.empty()) {
    out += fmt::format(", {} stay because others use them", receipt.shared.size());
  }
  if (!report.pinned.empty()) {
    out += fmt::format(", {} stay because they are pinned", report.pinned.size());
  }
  out += '\n';
  return removal == Removal::kProved ? out + RenderProof(receipt) : out;
}

}  // namespace promptcache

#include "tools/cli/store/selection.h"

#include <algorithm>

namespace promptcache {

void SelectionFlags::AddReferenceOptions(CLI::App& command) {
  command.add_option("--schema", selector.schema, "Units of this schema");
  command.add_option("--version", selector.version, "Of this version of it: 16 hex digits");
  command.add_option("--module", selector.module,
                     "Units of this module and of what is inside it: SCHEMA/MODULE/...");
  command.add_option("--tenant", selector.tenant, "Units that this tenant uses");
}

void SelectionFlags::AddTo(CLI::App& command) {
  AddReferenceOptions(command);
  command.add_option("key", keys, "Keys of units, or their first digits");
}

Result<UnitKey> FindKey(std::span<const BlobInfo> blobs, const std::string& prefix) {
  if (prefix.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return InvalidArgument("'" + prefix + "' is no key: lower-case hex digits are");
  }
  const BlobInfo* found = nullptr;
  for (const BlobInfo& blob : blobs) {
    if (!blob.key.ToHex().starts_with(prefix)) continue;
    if (found != nullptr) {
      return InvalidArgument("several keys begin with " + prefix + ": " + found->key.ToHex() +
                             " and " + blob.key.ToHex() + "; give more digits");
    }
    found = &blob;
  }
  if (found == nullptr) {
    return NotFound("no key of the store begins with " + prefix + "; see `promptcache store ls`");
  }
  return found->key;
}

Result<BlobSelector> SelectorOf(std::span<const BlobInfo> blobs, const SelectionFlags& flags) {
  BlobSelector selector = flags.selector;
  for (const std::string& prefix : flags.keys) {
    PC_ASSIGN_OR_RETURN(const UnitKey key, FindKey(blobs, prefix));
    selector.keys.push_back(key);
  }
  return selector;
}

bool IsSelected(const BlobSelector& selector, const BlobInfo& blob) {
  const auto& keys = selector.keys;
  if (!keys.empty() && std::find(keys.begin(), keys.end(), blob.key) == keys.end()) return false;
  if (!selector.names_references()) return true;
  const auto& references = blob.use.references;
  return std::any_of(references.begin(), references.end(),
                     [&](const BlobReference& one) { return selector.Matches(one.reference); });
}

std::vector<BlobInfo> Selected(const BlobSelector& selector, std::vector<BlobInfo> blobs) {
  std::erase_if(blobs, [&](const BlobInfo& blob) { return !IsSelected(selector, blob); });
  return blobs;
}

std::string ReferenceText(const Reference& reference) {
  const std::string tenant = reference.tenant.empty() ? "" : " of " + reference.tenant;
  return reference.module + "@" + reference.version + tenant;
}

}  // namespace promptcache

#include "tools/cli/store/selection.h"

#include <algorithm>

#include "tools/cli/store/command.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

constexpr size_t kVersionDigits = 16;
constexpr size_t kShownKeys = 8;

std::string CheckVersion(const std::string& version) {
  const bool good = version.size() == kVersionDigits &&
                    version.find_first_not_of(kHexDigits) == std::string::npos;
  return good ? "" : "'" + version + "' is no version: 16 lower-case hex digits are";
}

std::string WithoutFinalSlashes(std::string module) {
  while (module.size() > 1 && module.back() == '/') module.pop_back();
  return module;
}

// "schema 'desk', tenant 'acme'"
std::string NamesOf(const BlobSelector& selector) {
  std::string names;
  const auto add = [&](const char* what, const std::string& name) {
    if (name.empty()) return;
    names += (names.empty() ? "" : ", ") + std::string(what) + " '" + name + "'";
  };
  add("schema", selector.schema);
  add("version", selector.version);
  add("module", selector.module);
  add("tenant", selector.tenant);
  for (const UnitKey& key : selector.keys) add("key", key.ToHex());
  return names;
}

}  // namespace

void SelectionFlags::AddReferenceOptions(CLI::App& command) {
  command.add_option("--schema", selector.schema, "Units of this schema")->check(CheckNotEmpty);
  command.add_option("--version", selector.version, "Of this version of it: 16 hex digits")
      ->check(CheckVersion);
  command
      .add_option("--module", selector.module,
                  "Units of this module and of what is inside it: SCHEMA/MODULE/...")
      ->check(CheckNotEmpty)
      ->transform(WithoutFinalSlashes);
  command.add_option("--tenant", selector.tenant, "Units that this tenant uses")
      ->check(CheckNotEmpty);
}

void SelectionFlags::AddTo(CLI::App& command) {
  AddReferenceOptions(command);
  command.add_option("key", keys, "Keys of units, or their first digits");
}

Result<UnitKey> FindKey(std::span<const BlobInfo> blobs, const std::string& prefix) {
  if (prefix.empty() || prefix.find_first_not_of(kHexDigits) != std::string::npos) {
    return InvalidArgument("'" + prefix + "' is no key: lower-case hex digits are");
  }
  std::vector<UnitKey> found;
  for (const BlobInfo& blob : blobs) {
    if (blob.key.ToHex().starts_with(prefix)) found.push_back(blob.key);
  }
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    return NotFound("no key of the store begins with " + prefix + "; see `promptcache store ls`");
  }
  std::string keys;
  for (size_t i = 0; i < std::min(kShownKeys, found.size()); ++i) {
    keys += " " + FormatDigest(found[i]);
  }
  return InvalidArgument(std::to_string(found.size()) + " keys begin with " + prefix + ":" + keys +
                         (found.size() > kShownKeys ? " ..." : "") + "; give more digits");
}

Result<BlobSelector> SelectorOf(std::span<const BlobInfo> blobs, const SelectionFlags& flags) {
  BlobSelector selector = flags.selector;
  for (const std::string& prefix : flags.keys) {
    PC_ASSIGN_OR_RETURN(const UnitKey key, FindKey(blobs, prefix));
    selector.keys.push_back(key);
  }
  return selector;
}

Status NoneOf(const BlobSelector& selector) {
  return NotFound("no stored unit is of " + NamesOf(selector) +
                  "; `promptcache store ls` lists those that are there");
}

Result<BlobSelector> SelectorOfSome(std::span<const BlobInfo> blobs, const SelectionFlags& flags) {
  PC_ASSIGN_OR_RETURN(BlobSelector selector, SelectorOf(blobs, flags));
  const bool found = std::any_of(blobs.begin(), blobs.end(),
                                 [&](const BlobInfo& blob) { return IsSelected(selector, blob); });
  if (!found && selector.names_references()) return NoneOf(selector);
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

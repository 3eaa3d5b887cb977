// Which blobs a command is about: options that name references, and keys by their first digits.
#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>
#include <vector>

#include "cachestore/store.h"
#include "common/store_reports.h"

namespace promptcache {

struct SelectionFlags {
  BlobSelector selector;          // without keys
  std::vector<std::string> keys;  // or their first digits

  // --schema, --version, --module and --tenant.
  void AddReferenceOptions(CLI::App& command);
  // And KEY...
  void AddTo(CLI::App& command);
};

inline constexpr char kHexDigits[] = "0123456789abcdef";

// The key that begins with what was typed. kNotFound for none, kInvalidArgument for several, which
// it lists, or when `prefix` is not of hex digits.
Result<UnitKey> FindKey(std::span<const BlobInfo> blobs, const std::string& prefix);
// What the options mean; keys are looked for among `blobs`.
Result<BlobSelector> SelectorOf(std::span<const BlobInfo> blobs, const SelectionFlags& flags);
// The same; NoneOf when the options name something and none of `blobs` is meant.
Result<BlobSelector> SelectorOfSome(std::span<const BlobInfo> blobs, const SelectionFlags& flags);
// kNotFound, saying what was looked for. REQUIRES: the selector names something.
Status NoneOf(const BlobSelector& selector);

// Whether the blob is one that the selector means: without any field every blob is.
bool IsSelected(const BlobSelector& selector, const BlobInfo& blob);
std::vector<BlobInfo> Selected(const BlobSelector& selector, std::vector<BlobInfo> blobs);

// "support/policies@0123456789abcdef", with " of TENANT" where it has one.
std::string ReferenceText(const Reference& reference);

}  // namespace promptcache

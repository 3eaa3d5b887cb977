// What two stores or packs have in common.
#pragma once

#include <cstdint>
#include <vector>

#include "cachestore/pack/pack.h"

namespace promptcache {

// A unit by name and by what was encoded: stores that hold the same states agree, whatever the
// storage encoding and what encoding them cost.
struct Content {
  UnitKey key;
  Digest256 states;  // StatesDigest
  bool operator==(const Content&) const = default;
};

// In key order. Of a store, from the headers of its blobs: their tensors are not read.
// Blobs that go meanwhile are left out; kDataLoss naming the key of a damaged one.
Result<std::vector<Content>> ContentsOf(BlobStore& store);
std::vector<Content> ContentsOf(const PackManifest& manifest);

// Keys, ascending.
struct ContentDifference {
  std::vector<UnitKey> only_left;
  std::vector<UnitKey> only_right;
  std::vector<UnitKey> other_states;  // in both, and not the same
  uint64_t same = 0;
  bool operator==(const ContentDifference&) const = default;
};

// REQUIRES: both in key order, each key once.
ContentDifference DiffContents(const std::vector<Content>& left, const std::vector<Content>& right);

}  // namespace promptcache

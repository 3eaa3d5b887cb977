// Checks a blob whose bytes arrive in pieces.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "cachestore/format/blob.h"

namespace promptcache {

// Sees each byte once and keeps only the prefix and header. Not thread safe.
class BlobVerifier {
 public:
  // The next bytes in order. A failure is kept for Finish.
  void Append(std::span<const uint8_t> bytes);
  // The header when every byte of the blob was appended and is right, else kDataLoss that names
  // what is not. Call once.
  Result<BlobHeader> Finish();
  // False once something is wrong: the rest need not be appended.
  bool good() const { return error_.ok(); }

 private:
  // Each takes what it needs from the front of `bytes` and returns how much that was.
  size_t TakeHead(std::span<const uint8_t> bytes);
  size_t TakePadding(std::span<const uint8_t> bytes);
  size_t TakeSegment(std::span<const uint8_t> bytes);
  void Fail(Status error);

  uint64_t position_ = 0;      // bytes seen
  std::vector<uint8_t> head_;  // prefix and header while they are collected
  uint64_t head_bytes_ = kBlobPrefixBytes;
  std::optional<BlobHeader> header_;
  size_t segment_ = 0;  // the one that position_ is in or before
  Xxh3Stream hash_;     // of that segment
  Status error_;
};

}  // namespace promptcache

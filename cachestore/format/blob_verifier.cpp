#include "cachestore/format/blob_verifier.h"

#include <algorithm>
#include <string>

namespace promptcache {

void BlobVerifier::Fail(Status error) {
  if (error_.ok()) error_ = std::move(error);
}

void BlobVerifier::Append(std::span<const uint8_t> bytes) {
  while (!bytes.empty() && good()) {
    size_t taken = 0;
    if (!header_) {
      taken = TakeHead(bytes);
    } else if (segment_ >= header_->segments.size()) {
      return Fail(DataLoss("blob: bytes behind the last layer"));
    } else if (position_ < header_->segments[segment_].offset) {
      taken = TakePadding(bytes);
    } else {
      taken = TakeSegment(bytes);
    }
    position_ += taken;
    bytes = bytes.subspan(taken);
  }
}

size_t BlobVerifier::TakeHead(std::span<const uint8_t> bytes) {
  const size_t taken = std::min<uint64_t>(bytes.size(), head_bytes_ - head_.size());
  head_.insert(head_.end(), bytes.begin(), bytes.begin() + taken);
  if (head_.size() < head_bytes_) return taken;
  if (head_bytes_ == kBlobPrefixBytes) {
    const Result<uint64_t> length = BlobPrefixLength(head_);
    if (length.ok()) {
      head_bytes_ = *length;
    } else {
      Fail(length.status());
    }
    return taken;
  }
  Result<BlobHeader> header = ParseBlobHeader(head_);
  if (header.ok()) {
    header_ = std::move(header).value();
    head_ = {};
  } else {
    Fail(header.status());
  }
  return taken;
}

size_t BlobVerifier::TakePadding(std::span<const uint8_t> bytes) {
  const uint64_t left = header_->segments[segment_].offset - position_;
  const auto padding = bytes.first(std::min<uint64_t>(bytes.size(), left));
  if (std::any_of(padding.begin(), padding.end(), [](uint8_t byte) { return byte != 0; })) {
    Fail(DataLoss("blob: the padding before layer " + std::to_string(segment_) + " is not zero"));
  }
  return padding.size();
}

size_t BlobVerifier::TakeSegment(std::span<const uint8_t> bytes) {
  const BlobSegment& segment = header_->segments[segment_];
  const uint64_t left = segment.offset + segment.length - position_;
  const auto part = bytes.first(std::min<uint64_t>(bytes.size(), left));
  hash_.Add(part);
  if (part.size() < left) return part.size();
  if (hash_.Finish() != segment.hash) {
    Fail(DataLoss("blob: layer " + std::to_string(segment_) + " fails its checksum"));
  }
  hash_ = Xxh3Stream();
  ++segment_;
  return part.size();
}

Result<BlobHeader> BlobVerifier::Finish() {
  if (!error_.ok()) return error_;
  if (!header_ || position_ != header_->total_bytes) {
    return DataLoss("blob: ends after " + std::to_string(position_) + " bytes");
  }
  return std::move(*header_);
}

Result<BlobHeader> VerifyBlob(std::span<const uint8_t> blob) {
  BlobVerifier verifier;
  verifier.Append(blob);
  return verifier.Finish();
}

}  // namespace promptcache

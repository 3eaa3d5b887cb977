// What a worker makes smaller of the units it stores: `worker.store_compression`, and `compression`
// of a manifest. Pure and thread safe.
#pragma once

#include <string_view>

#include "cachestore/format/blob.h"

namespace promptcache {

struct Compression {
  std::string_view kv_layout = kBlobLayout;  // belongs into the identity of the units
  BlobEncoding encoding = BlobEncoding::kPlain;
  bool operator==(const Compression&) const = default;
};

// "none", "zstd" (nothing is lost), "int8" (half of bf16, with a bounded loss), "int8-zstd". Else
// kInvalidArgument naming them.
Result<Compression> ParseCompression(std::string_view name);

}  // namespace promptcache

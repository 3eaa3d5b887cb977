#include "cachestore/format/compression.h"

#include <string>

namespace promptcache {
namespace {

struct NamedCompression {
  std::string_view name;
  Compression compression;
};

constexpr NamedCompression kCompressions[] = {
    {"none", {}},
    {"zstd", {.encoding = BlobEncoding::kBytePlaneZstd}},
    {"int8", {.kv_layout = kInt8Layout}},
    {"int8-zstd", {.kv_layout = kInt8Layout, .encoding = BlobEncoding::kBytePlaneZstd}}};

}  // namespace

Result<Compression> ParseCompression(std::string_view name) {
  for (const NamedCompression& one : kCompressions) {
    if (one.name == name) return one.compression;
  }
  return InvalidArgument("compression '" + std::string(name) +
                         "' is not none, zstd, int8 or int8-zstd");
}

}  // namespace promptcache

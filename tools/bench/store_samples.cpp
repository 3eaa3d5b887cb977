#include "tools/bench/store_samples.h"

#include <algorithm>

#include "cachestore/format/blob_io.h"

namespace promptcache {

BenchBlob MakeBenchBlob(uint32_t seed, uint64_t bytes) {
  // As of a model with 16 layers and a KV head of 128.
  BlobHeader header;
  header.identity = {.weights = "bench",
                     .tokenizer = "bench",
                     .positions = "rope",
                     .dtype = "bf16",
                     .kv_layout = std::string(kBlobLayout),
                     .encoder = "1"};
  header.dtype = BlobDtype::kBfloat16;
  const uint64_t token_bytes = 2 * 16 * 128 * 2;
  const auto tokens = static_cast<uint32_t>(std::max<uint64_t>(1, bytes / token_bytes));
  header.shape = {.layers = 16, .kv_heads = 1, .tokens = tokens, .head_dim = 128};
  for (uint32_t i = 0; i < tokens; ++i) {
    header.recipe.own.Append(static_cast<TokenId>(i == 0 ? seed : i), static_cast<Position>(i));
  }
  header.encode_seconds = 1e-3 * tokens;
  const uint64_t layer_bytes = BlobSegmentBytes(header.dtype, header.shape).value();
  std::vector<uint64_t> noise(16 * layer_bytes / 8);
  uint64_t state = seed + 1;
  for (uint64_t& word : noise) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    word = state;
  }
  const std::span all(reinterpret_cast<const uint8_t*>(noise.data()), noise.size() * 8);
  std::vector<std::span<const uint8_t>> layers;
  for (uint64_t i = 0; i < 16; ++i) layers.push_back(all.subspan(i * layer_bytes, layer_bytes));
  BenchBlob blob;
  blob.bytes = AssembleBlob(header, layers).value();
  blob.key = MakeUnitKey(header.identity.Digest(), 0, header.recipe.Digest());
  return blob;
}

}  // namespace promptcache

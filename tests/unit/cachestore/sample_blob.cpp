#include "tests/unit/cachestore/sample_blob.h"

#include <cstdlib>

namespace promptcache::testing {
namespace {

// The second own token is hidden.
Recipe MakeRecipe(uint32_t seed, uint32_t rows) {
  Recipe recipe{.hidden = {{.first = 1, .rows = 1}}};
  recipe.context.Append(static_cast<TokenId>(seed), -2);
  recipe.context.Append(7, -1);
  for (uint32_t i = 0; i <= rows; ++i) {
    recipe.own.Append(static_cast<TokenId>(100 + i), static_cast<Position>(i));
  }
  return recipe;
}

std::vector<uint8_t> MakeBytes(uint64_t seed, uint64_t count) {
  std::vector<uint8_t> bytes(count);
  uint64_t state = seed * 0x9E3779B97F4A7C15 + 1;
  for (uint8_t& byte : bytes) {
    state = state * 6364136223846793005 + 1442695040888963407;
    byte = static_cast<uint8_t>(state >> 56);
  }
  return bytes;
}

}  // namespace

SampleBlob MakeSampleBlob(const SampleShape& sample) {
  SampleBlob blob;
  blob.header.identity = {.weights = "11aa",
                          .tokenizer = "22bb",
                          .positions = "rope theta=10000 dim=2 scaling=none layout=half",
                          .dtype = "fp32",
                          .kv_layout = std::string(sample.layout),
                          .encoder = "1"};
  blob.header.recipe = MakeRecipe(sample.seed, sample.shape.tokens);
  blob.header.dtype = BlobDtype::kFloat32;
  blob.header.shape = sample.shape;
  blob.header.encoding = sample.encoding;
  blob.header.encode_seconds = 0.25;
  const uint64_t bytes = BlobSegmentBytes(blob.header.dtype, sample.shape).value();
  for (uint32_t i = 0; i < sample.shape.layers; ++i) {
    blob.layers.push_back(MakeBytes(sample.seed * 1000 + i, bytes));
    for (uint8_t& byte : blob.layers.back()) byte &= sample.bits;
  }
  blob.bytes = AssembleBlob(blob.header, blob.LayerSpans()).value();
  blob.header = ParseBlobHeader(blob.bytes).value();
  blob.key = MakeUnitKey(blob.header.identity.Digest(), 0, blob.header.recipe_digest);
  return blob;
}

SampleBlob MakeLargeBlob(uint32_t seed, uint64_t bytes) {
  constexpr uint64_t kMiB = 1 << 20;
  // 256 KiB a layer: 2 · 8 heads · 64 tokens · 64 · 4 bytes
  const auto layers = static_cast<uint32_t>(std::max(bytes, kMiB) / (kMiB / 4));
  return MakeSampleBlob(
      {.seed = seed, .shape = {.layers = layers, .kv_heads = 8, .tokens = 64, .head_dim = 64}});
}

}  // namespace promptcache::testing

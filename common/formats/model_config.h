// What a model is, told by its file's metadata: sizes, and which of the shared building blocks its
// layers are made of. Decides everything but the weights.
#pragma once

#include <cstdint>
#include <string>

#include "common/formats/positions.h"

namespace promptcache {

struct ModelShape {
  int64_t layers = 0;
  int64_t hidden = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;  // divides heads
  int64_t head_dim = 0;
  int64_t feed_forward = 0;
  int64_t vocabulary = 0;
  int64_t context_length = 0;

  // 2 * layers * kv_heads * head_dim * bytes of an element (S107).
  int64_t kv_bytes_per_token(int64_t element_bytes) const {
    return 2 * layers * kv_heads * head_dim * element_bytes;
  }
  bool operator==(const ModelShape&) const = default;
};

// How a layer adds attention A and feed-forward network F to the residual stream x.
enum class Residual : uint8_t {
  kSequential,       // x += A(norm1(x)); x += F(norm2(x))
  kParallel,         // x += A(norm1(x)) + F(norm1(x))
  kParallelTwoNorms  // x += A(norm1(x)) + F(norm2(x))
};
enum class NormKind : uint8_t { kRms, kLayer };
enum class FeedForwardKind : uint8_t { kSwiglu, kGelu };

// How the file keeps the projection of queries, keys and values.
enum class QkvTensors : uint8_t {
  kSeparate,  // attn_q, attn_k, attn_v
  kFused,     // attn_qkv: rows of all query heads, all key heads, all value heads
  kGrouped    // attn_qkv: for each key head, its query heads, itself, its value head
};
// Which rows of a head turn together: i and i + dim / 2, or 2 i and 2 i + 1.
enum class RotaryRowOrder : uint8_t { kHalf, kInterleaved };

struct ModelConfig {
  std::string architecture;  // "llama", "falcon", "mpt"
  ModelShape shape;
  PositionSettings positions;

  Residual residual = Residual::kSequential;
  NormKind norm = NormKind::kRms;
  double norm_epsilon = 1e-5;
  FeedForwardKind feed_forward = FeedForwardKind::kSwiglu;
  QkvTensors qkv = QkvTensors::kSeparate;
  RotaryRowOrder rotary_rows = RotaryRowOrder::kHalf;

  // Which parts have a bias vector.
  bool norm_bias = false;
  bool qkv_bias = false;
  bool output_bias = false;
  bool feed_forward_bias = false;

  bool qk_norm = false;    // layer norm over all queries and over all keys of a token (MPT)
  double clip_qkv = 0;     // queries, keys and values are clamped to [-clip, clip]; 0: not
  double score_scale = 0;  // of q k^T; 0: 1 / sqrt(head_dim)
  double logit_scale = 1;
  bool tied_head = false;  // the output head is the embedding
};

}  // namespace promptcache

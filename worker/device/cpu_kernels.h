// The inner loops of the CPU path, compiled once per instruction set and chosen at run time.
//
// Everything here is plain pointers: the translation units behind it are compiled with flags that
// the rest of the program is not, so no inline function of a library may be instantiated in them.
// All functions are pure with respect to their arguments, single threaded and reentrant; callers
// split work among threads. Strides count elements.
#pragma once

#include <cstdint>

namespace promptcache::cpu {

// Larger heads are refused when a model is loaded.
constexpr int64_t kMaxHeadDim = 1024;

enum class Element : uint8_t { kFloat, kBf16 };

// out[r, h, :] = R(angle(r)) in[r, h, :], half-split layout: of the first `turned` dimensions i is
// paired with i + turned / 2 and turned by cos[r * table_stride + i], sin[...]; the others stay.
// Computed in fp32, rounded once.
struct RotateArgs {
  const void* in = nullptr;  // [rows, heads, dim]
  int64_t in_row = 0, in_head = 0;
  void* out = nullptr;  // [rows, heads, dim]; may be `in`
  int64_t out_row = 0, out_head = 0;
  int64_t rows = 0, heads = 0, dim = 0, turned = 0;
  const float* cos = nullptr;  // [rows, turned / 2]; table_stride 0: one angle for all rows
  const float* sin = nullptr;
  int64_t table_stride = 0;
  float scale = 1;  // multiplies the result
  Element in_element = Element::kFloat, out_element = Element::kFloat;
};

// Normalised attention output of one piece with the natural log of its softmax denominator.
struct PartialOutput {
  const void* out = nullptr;   // element (k, g, m, d) at k * out_kv + g * out_group + m * out_row
  const float* lse = nullptr;  // element (k, g, m)
  int64_t out_kv = 0, out_group = 0, out_row = 0;
  int64_t lse_kv = 0, lse_group = 0, lse_row = 0;
  int64_t first_query = 0;  // rows [first_query, queries) are there; the first one has m = 0
};

// o = sum_s exp(lse_s - lse) o_s with lse = log sum_s exp(lse_s), in fp32, rounded once.
struct MergeArgs {
  const PartialOutput* parts = nullptr;
  int64_t part_count = 0;
  int64_t first_query = 0, last_query = 0;  // the rows [first, last) to merge
  int64_t kv_heads = 0, group = 0, dim = 0;
  void* out = nullptr;  // [queries, kv_heads * group, dim]
  int64_t out_row = 0;
  float* weights = nullptr;           // [part_count] scratch
  Element element = Element::kFloat;  // of the parts and of out
};

// Attention of few query rows over keys that lie anywhere: online softmax in fp32 over blocks of
// key pointers. Row r = g * queries + m of the tile is query m of query head g of the KV head.
struct ListArgs {
  const float* query = nullptr;  // [shifts, rows, dim], rotated and scaled
  int64_t shift_stride = 0;
  int64_t rows = 0, queries = 0, dim = 0;  // dim is a multiple of 16
  const void* const* keys = nullptr;       // [count]
  const void* const* values = nullptr;     // [count]
  const int32_t* shifts = nullptr;         // [count] index into `query`
  const int32_t* first_queries = nullptr;  // [count] visible to queries [first, queries)
  // ALiBi: slopes[r / queries] * distances[key] is added to a score. Both null without.
  const float* distances = nullptr;  // [count]
  const float* slopes = nullptr;     // [rows / queries]
  int64_t count = 0;
  Element element = Element::kFloat;
  float* accumulator = nullptr;  // [rows, dim] out: sum exp(z - max) v
  float* max = nullptr;          // [rows] out; -inf where no key is visible
  float* sum = nullptr;          // [rows] out: sum exp(z - max)
};

// x[r] += delta[r] (when delta is given); y[r] = x[r] / sqrt(mean(x[r]^2) + epsilon) * weight.
struct NormArgs {
  float* x = nullptr;           // [rows, dim] contiguous
  const void* delta = nullptr;  // [rows, dim] contiguous or null
  const float* weight = nullptr;
  void* y = nullptr;  // [rows, dim] contiguous
  int64_t rows = 0, dim = 0;
  float epsilon = 0;
  Element element = Element::kFloat;  // of delta and y
};

// out[r, i] = silu(in[r, i]) * in[r, dim + i]
struct SwigluArgs {
  const void* in = nullptr;  // [rows, 2 * dim] contiguous
  void* out = nullptr;       // [rows, dim] contiguous
  int64_t rows = 0, dim = 0;
  Element element = Element::kFloat;
};

// Outputs of one panel of weights: a few vectors of every instruction set.
constexpr int64_t kPanelColumns = 32;

// out[r, c] = sum_i x[r, i] weight[c, i] + bias[c], summed in fp32 in the order of i whatever the
// number of rows, rounded once.
struct LinearArgs {
  // [ceil(columns / 32), ceil(inputs / 2), 32, 2] bf16, zero beyond columns and inputs: one step
  // of a panel is contiguous and a panel is read from its first byte to its last.
  const void* weight = nullptr;
  const float* bias = nullptr;  // [columns] or null
  const void* x = nullptr;      // [rows, inputs] bf16 contiguous
  void* out = nullptr;          // [rows, columns]
  int64_t out_row = 0;
  int64_t rows = 0, inputs = 0, columns = 0;
  Element out_element = Element::kBf16;
};

struct Kernels {
  const char* name;  // "avx512bf16", "avx512", "avx2", "portable"
  void (*rotate)(const RotateArgs&);
  void (*merge)(const MergeArgs&);
  void (*list)(const ListArgs&);
  void (*norm)(const NormArgs&);
  void (*swiglu)(const SwigluArgs&);
  void (*linear)(const LinearArgs&);
};

// The best set this processor runs.
const Kernels& BestKernels();
// Every set this build has, null where the processor lacks the instructions. For tests.
struct AllKernels {
  const Kernels* portable;
  const Kernels* avx2;
  const Kernels* avx512;
  const Kernels* avx512bf16;
};
AllKernels SupportedKernels();

// True where bf16 linear layers run on native dot products (AVX-512-BF16).
bool HasNativeBf16();
// True where oneDNN multiplies bf16 matrices in tiles.
bool HasAmx();

}  // namespace promptcache::cpu

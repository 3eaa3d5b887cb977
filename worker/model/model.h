// The model as the engine sees it: one forward step over a batch of sequences, each of which reads
// shared units in place and appends to keys and values of its own.
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/formats/model_config.h"
#include "common/status.h"
#include "common/types.h"
#include "worker/attention/key_range.h"
#include "worker/settings/compute_dtype.h"

namespace promptcache {

// Keys and values of one sequence, growing. Keys are rotated to their absolute positions (RoPE) or
// plain (ALiBi).
// Owned by one request; not thread safe.
class KvBuffer {
 public:
  KvBuffer() = default;
  // Reserves room for `capacity` rows; grows by doubling when exceeded. This, Reserve and Grow
  // throw c10::Error when memory runs out; inside Model::Forward that becomes a Status.
  KvBuffer(const ModelShape& shape, at::TensorOptions options, int64_t capacity);

  int64_t size() const { return static_cast<int64_t>(positions_.size()); }
  // [layers, 2, kv_heads, capacity, head_dim] compute dtype, device; rows [0, size) are valid.
  const at::Tensor& tensor() const { return kv_; }
  void Reserve(int64_t rows);
  // Makes rows at these positions valid behind the others; the model fills them.
  void Grow(std::span<const Position> positions);
  const std::vector<Position>& positions() const { return positions_; }  // of the valid rows

 private:
  at::Tensor kv_;
  std::vector<Position> positions_;
};

// Whether a sequence wants the logits of its last token.
enum class Logits : uint8_t { kNone, kLast };

// One sequence's part of a step.
struct SequenceStep {
  std::span<const TokenId> ids;
  std::span<const Position> positions;  // strictly ascending, all larger than those in `own`
  std::span<const KeyRange> units;
  KvBuffer* own = nullptr;  // read, and extended by ids.size() rows
  Logits logits = Logits::kLast;
};

inline constexpr std::chrono::milliseconds kLayerPatience{500};

// Immutable after construction. Forward may be called by one thread at a time.
class Model {
 public:
  virtual ~Model() = default;
  virtual const ModelShape& shape() const = 0;
  virtual at::TensorOptions kv_options() const = 0;  // dtype and device of keys and values
  uint64_t kv_bytes_per_token() const;               // of keys and values, all layers
  // Returns [sequences with Logits::kLast, vocabulary] fp32 cpu, in the order of `steps`.
  // kInvalidArgument, with nothing changed, for steps that break the rules above. After any other
  // error the sequences' own buffers are undefined. kResourceExhausted when memory runs out;
  // kInternal for anything LibTorch throws.
  //
  // Layers of units that are still arriving (KeyRange::arrival) are waited for where they are read,
  // at most kLayerPatience in all: kUnavailable when they are late, else their failure.
  virtual Result<at::Tensor> Forward(std::span<SequenceStep> steps) = 0;
};

// "fp32" or "bf16": what LoadModel computes in on this device. The errors of ParseDevice.
Result<std::string> ComputeDtypeName(ComputeDtype dtype, const std::string& device);
struct ModelOptions {
  ComputeDtype dtype =
      ComputeDtype::kAuto;     // bf16 where the CPU has AVX-512-BF16 or better, else fp32
  std::string device = "cpu";  // "cpu", "cuda:0"
  int threads = 0;             // up to 1024; 0: one per core
  // Called with bytes of weights read and in all; may be empty.
  std::function<void(uint64_t done, uint64_t total)> progress;
};
struct LoadedModel {
  std::unique_ptr<Model> model;
  Identity identity;
  std::string name;  // general.name of the file, else its stem
};
// Reads a GGUF file or a Hugging Face directory (common/formats/checkpoint.h); quantised weights
// are dequantised. Memory while loading stays below 1.2 times what is kept. Errors name the file
// and the tensor or key. kFailedPrecondition when the device is not there.
Result<LoadedModel> LoadModel(const std::string& path, const ModelOptions& options);

}  // namespace promptcache

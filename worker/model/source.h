// The tensors of a checkpoint as layers read them: each with the shape that the configuration
// demands. Every error names the file and the tensor.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/formats/checkpoint.h"
#include "common/status.h"

namespace promptcache {

// Used while a model is being loaded, by one thread.
class ModelSource {
 public:
  using Progress = std::function<void(uint64_t done, uint64_t total)>;

  // `compute`: dtype (fp32 or bf16) and device of matrices.
  ModelSource(std::shared_ptr<const Checkpoint> checkpoint, at::TensorOptions compute,
              Progress progress);

  const ModelConfig& config() const { return checkpoint_->config(); }
  const at::TensorOptions& compute() const { return compute_; }

  bool Has(std::string_view name) const { return checkpoint_->FindTensor(name) != nullptr; }
  // [out, in] compute dtype and device.
  Result<at::Tensor> Matrix(const std::string& name, int64_t out, int64_t in);
  // [size] compute dtype, device.
  Result<at::Tensor> Bias(const std::string& name, int64_t size);
  // [size] fp32, device.
  Result<at::Tensor> Vector(const std::string& name, int64_t size);
  // The model does without this tensor if it is there.
  void Ignore(const std::string& name) { used_.insert(name); }
  // kUnimplemented when the file has a tensor that nobody asked for: leaving out, say, a bias would
  // give wrong text without a word.
  Status CheckAllUsed() const;

 private:
  Result<at::Tensor> Load(const std::string& name, const std::vector<int64_t>& sizes,
                          at::ScalarType dtype);
  Status At(const Status& status) const { return status.WithContext(checkpoint_->path()); }

  const std::shared_ptr<const Checkpoint> checkpoint_;
  const at::TensorOptions compute_;
  const Progress progress_;
  uint64_t total_bytes_ = 0, read_bytes_ = 0;
  std::set<std::string, std::less<>> used_;
};

}  // namespace promptcache

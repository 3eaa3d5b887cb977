// A model file as an architecture reads it: metadata under the architecture's prefix, tensors with
// the shape that the metadata demands. Every error names the file and the key or tensor.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/formats/gguf.h"
#include "common/status.h"
#include "worker/device/rotary.h"
#include "worker/model/model.h"

namespace promptcache {

// Used while a model is being loaded, by one thread.
class ModelSource {
 public:
  // `compute`: dtype (fp32 or bf16) and device of matrices.
  ModelSource(std::shared_ptr<const GgufFile> file, std::string architecture,
              at::TensorOptions compute);

  const at::TensorOptions& compute() const { return compute_; }

  // The value of "<architecture>.<key>". kInvalidArgument when it is absent or out of range.
  Result<int64_t> Size(std::string_view key, int64_t max) const;
  Result<int64_t> SizeOr(std::string_view key, int64_t max, int64_t absent) const;
  Result<double> Number(std::string_view key) const;

  // Layers, widths and heads of a decoder; kInvalidArgument when they do not fit together.
  Result<ModelShape> Shape() const;
  // kUnimplemented for scalings other than none and linear.
  Result<RotaryParameters> Rotary(const ModelShape& shape) const;

  bool Has(std::string_view name) const { return file_->FindTensor(name) != nullptr; }
  // [out, in] compute dtype and device.
  Result<at::Tensor> Matrix(const std::string& name, int64_t out, int64_t in);
  // As Matrix, for the rows of `heads` heads whose rotary pairs the file keeps interleaved
  // (rows 2i and 2i + 1 of a head belong together): brought to half-split order (i and i + d / 2).
  Result<at::Tensor> RotaryMatrix(const std::string& name, int64_t heads, int64_t head_dim,
                                  int64_t in);
  // [size] fp32, device.
  Result<at::Tensor> Vector(const std::string& name, int64_t size);
  // kUnimplemented when the file has a tensor that nobody asked for: leaving out, say, a bias would
  // give wrong text without a word.
  Status CheckAllUsed() const;

 private:
  Result<at::Tensor> Load(const std::string& name, const std::vector<int64_t>& sizes);
  Status At(const Status& status) const { return status.WithContext(file_->name()); }
  std::string Key(std::string_view key) const { return architecture_ + "." + std::string(key); }

  const std::shared_ptr<const GgufFile> file_;
  const std::string architecture_;
  const at::TensorOptions compute_;
  std::set<std::string, std::less<>> used_;
};

}  // namespace promptcache

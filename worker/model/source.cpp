#include "worker/model/source.h"

#include <ATen/ATen.h>

#include <utility>

#include "worker/model/dequantize.h"

namespace promptcache {

ModelSource::ModelSource(std::shared_ptr<const Checkpoint> checkpoint, at::TensorOptions compute,
                         Progress progress)
    : checkpoint_(std::move(checkpoint)), compute_(compute), progress_(std::move(progress)) {
  for (const StoredTensor& tensor : checkpoint_->tensors()) total_bytes_ += tensor.bytes.size();
}

Result<at::Tensor> ModelSource::Load(const std::string& name, const std::vector<int64_t>& sizes,
                                     at::ScalarType dtype) {
  const StoredTensor* tensor = checkpoint_->FindTensor(name);
  if (tensor == nullptr) return At(InvalidArgument("tensor '" + name + "' is missing"));
  if (tensor->sizes != sizes) {
    return At(InvalidArgument("tensor '" + name + "' has shape " + SizesText(tensor->sizes) +
                              ", the metadata asks for " + SizesText(sizes)));
  }
  used_.insert(name);
  auto values = Dequantize(*tensor, dtype);
  if (!values.ok()) return At(values.status());
  read_bytes_ += tensor->bytes.size();
  if (progress_) progress_(read_bytes_, total_bytes_);
  return values->to(compute_.device());
}

Result<at::Tensor> ModelSource::Matrix(const std::string& name, int64_t out, int64_t in) {
  return Load(name, {out, in}, c10::typeMetaToScalarType(compute_.dtype()));
}

Result<at::Tensor> ModelSource::Bias(const std::string& name, int64_t size) {
  return Load(name, {size}, c10::typeMetaToScalarType(compute_.dtype()));
}

Result<at::Tensor> ModelSource::Vector(const std::string& name, int64_t size) {
  return Load(name, {size}, at::kFloat);
}

Status ModelSource::CheckAllUsed() const {
  for (const StoredTensor& tensor : checkpoint_->tensors()) {
    if (used_.contains(tensor.name)) continue;
    return At(Unimplemented("tensor '" + tensor.name + "' is not part of the architecture '" +
                            config().architecture + "' as it is implemented here"));
  }
  if (progress_) progress_(total_bytes_, total_bytes_);
  return Status();
}

}  // namespace promptcache

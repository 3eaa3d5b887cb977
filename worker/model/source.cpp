#include "worker/model/source.h"

#include <ATen/ATen.h>

#include <cmath>
#include <sstream>

#include "common/formats/model_identity.h"
#include "worker/device/cpu_kernels.h"
#include "worker/model/dequantize.h"

namespace promptcache {
namespace {

std::string SizesText(const std::vector<int64_t>& sizes) {
  std::ostringstream text;
  text << "[";
  for (size_t i = 0; i < sizes.size(); ++i) text << (i ? ", " : "") << sizes[i];
  text << "]";
  return text.str();
}

// Limits far above any model of these architectures, far below what overflows a product.
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxWidth = 1 << 20;
constexpr int64_t kMaxHeads = 4096;
constexpr int64_t kMaxVocabulary = 1 << 24;
constexpr int64_t kMaxContext = int64_t{1} << 30;

}  // namespace

ModelSource::ModelSource(std::shared_ptr<const GgufFile> file, std::string architecture,
                         at::TensorOptions compute)
    : file_(std::move(file)), architecture_(std::move(architecture)), compute_(compute) {}

Result<int64_t> ModelSource::Size(std::string_view key, int64_t max) const {
  const auto value = file_->GetUnsigned(Key(key));
  if (!value.ok()) return At(value.status());
  if (*value < 1 || *value > static_cast<uint64_t>(max)) {
    return At(InvalidArgument("'" + Key(key) + "' is " + std::to_string(*value) +
                              ", must be 1 to " + std::to_string(max)));
  }
  return static_cast<int64_t>(*value);
}

Result<int64_t> ModelSource::SizeOr(std::string_view key, int64_t max, int64_t absent) const {
  return file_->Has(Key(key)) ? Size(key, max) : Result<int64_t>(absent);
}

Result<double> ModelSource::Number(std::string_view key) const {
  const auto value = file_->GetFloat(Key(key));
  if (!value.ok()) return At(value.status());
  if (!std::isfinite(*value) || *value <= 0) {
    return At(InvalidArgument("'" + Key(key) + "' must be a positive number"));
  }
  return *value;
}

Result<ModelShape> ModelSource::Shape() const {
  ModelShape shape;
  PC_ASSIGN_OR_RETURN(shape.layers, Size("block_count", kMaxLayers));
  PC_ASSIGN_OR_RETURN(shape.hidden, Size("embedding_length", kMaxWidth));
  PC_ASSIGN_OR_RETURN(shape.feed_forward, Size("feed_forward_length", kMaxWidth));
  PC_ASSIGN_OR_RETURN(shape.context_length, Size("context_length", kMaxContext));
  PC_ASSIGN_OR_RETURN(shape.heads, Size("attention.head_count", kMaxHeads));
  PC_ASSIGN_OR_RETURN(shape.kv_heads, SizeOr("attention.head_count_kv", kMaxHeads, shape.heads));
  PC_ASSIGN_OR_RETURN(shape.head_dim,
                      SizeOr("attention.key_length", cpu::kMaxHeadDim, shape.hidden / shape.heads));
  PC_ASSIGN_OR_RETURN(const int64_t value_dim,
                      SizeOr("attention.value_length", cpu::kMaxHeadDim, shape.head_dim));
  if (shape.heads % shape.kv_heads != 0 || shape.head_dim < 2 || shape.head_dim % 2 != 0 ||
      shape.head_dim > cpu::kMaxHeadDim) {
    return At(InvalidArgument("'" + Key("attention.head_count") + "' " +
                              std::to_string(shape.heads) + ", '" + Key("attention.head_count_kv") +
                              "' " + std::to_string(shape.kv_heads) + " and head dimension " +
                              std::to_string(shape.head_dim) + " do not fit together"));
  }
  if (value_dim != shape.head_dim) {
    return At(Unimplemented("'" + Key("attention.value_length") + "' differs from the key length"));
  }
  const GgufTensor* embedding = file_->FindTensor("token_embd.weight");
  if (embedding == nullptr || embedding->dims.size() != 2) {
    return At(InvalidArgument("tensor 'token_embd.weight' is missing or no matrix"));
  }
  PC_ASSIGN_OR_RETURN(shape.vocabulary,
                      SizeOr("vocab_size", kMaxVocabulary,
                             static_cast<int64_t>(std::min<uint64_t>(
                                 embedding->dims[1], static_cast<uint64_t>(kMaxVocabulary)))));
  return shape;
}

Result<RotaryParameters> ModelSource::Rotary(const ModelShape& shape) const {
  PC_ASSIGN_OR_RETURN(const PositionSettings settings, ReadPositionSettings(*file_, architecture_));
  if (settings.dim != shape.head_dim) {
    return At(Unimplemented("'" + Key("rope.dimension_count") + "' is " +
                            std::to_string(settings.dim) + " where heads have " +
                            std::to_string(shape.head_dim) +
                            " dimensions; partial rotation is not supported"));
  }
  if (Has("rope_freqs.weight")) {
    return At(
        Unimplemented("tensor 'rope_freqs.weight': scaled rotary frequencies are not "
                      "supported"));
  }
  return RotaryParameters{
      .dim = settings.dim, .theta = settings.theta, .position_scale = settings.scale};
}

Result<at::Tensor> ModelSource::Load(const std::string& name, const std::vector<int64_t>& sizes) {
  const GgufTensor* tensor = file_->FindTensor(name);
  if (tensor == nullptr) return At(InvalidArgument("tensor '" + name + "' is missing"));
  const std::vector<int64_t> found(tensor->dims.rbegin(), tensor->dims.rend());
  if (found != sizes) {
    return At(InvalidArgument("tensor '" + name + "' has shape " + SizesText(found) +
                              ", the metadata asks for " + SizesText(sizes)));
  }
  used_.insert(name);
  auto values = Dequantize(*tensor);
  if (!values.ok()) return At(values.status());
  if (!values->isfinite().all().item<bool>()) {
    return At(DataLoss("tensor '" + name + "' holds values that are not finite"));
  }
  return values;
}

Result<at::Tensor> ModelSource::Matrix(const std::string& name, int64_t out, int64_t in) {
  PC_ASSIGN_OR_RETURN(const at::Tensor values, Load(name, {out, in}));
  return values.to(compute_);
}

Result<at::Tensor> ModelSource::RotaryMatrix(const std::string& name, int64_t heads,
                                             int64_t head_dim, int64_t in) {
  PC_ASSIGN_OR_RETURN(const at::Tensor values, Load(name, {heads * head_dim, in}));
  return values.view({heads, head_dim / 2, 2, in})
      .transpose(1, 2)
      .reshape({heads * head_dim, in})
      .to(compute_);
}

Result<at::Tensor> ModelSource::Vector(const std::string& name, int64_t size) {
  PC_ASSIGN_OR_RETURN(const at::Tensor values, Load(name, {size}));
  return values.to(compute_.dtype(at::kFloat));
}

Status ModelSource::CheckAllUsed() const {
  for (const GgufTensor& tensor : file_->tensors()) {
    if (!used_.contains(tensor.name)) {
      return At(Unimplemented("tensor '" + tensor.name + "' is not part of the architecture '" +
                              architecture_ + "' as it is implemented here"));
    }
  }
  return Status();
}

}  // namespace promptcache

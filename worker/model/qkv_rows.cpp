#include "worker/model/qkv_rows.h"

#include <ATen/ATen.h>

namespace promptcache {
namespace {

// [heads * head_dim, ...] whose first rotary_dim rows of a head have 2 i and 2 i + 1 turn together:
// those rows in half-split order.
at::Tensor HalfSplit(const at::Tensor& rows, const ModelConfig& config) {
  const int64_t turned = config.positions.rotary_dim(), dim = config.shape.head_dim;
  const at::Tensor heads = rows.view({-1, dim, rows.numel() / rows.size(0)});
  const at::Tensor pairs = heads.narrow(1, 0, turned);
  const at::Tensor halves =
      pairs.reshape({heads.size(0), turned / 2, 2, -1}).transpose(1, 2).reshape(pairs.sizes());
  return at::cat({halves, heads.narrow(1, turned, dim - turned)}, 1).view(rows.sizes());
}

// [kv_heads * (group + 2) * head_dim, ...], each key head with its query heads before and its value
// head behind it: as all queries, all keys, all values.
at::Tensor Ungroup(const at::Tensor& rows, const ModelShape& shape) {
  const int64_t group = shape.heads / shape.kv_heads;
  const at::Tensor groups = rows.view({shape.kv_heads, group + 2, -1});
  const auto part = [&](int64_t first, int64_t count) {
    return groups.narrow(1, first, count).reshape(-1);
  };
  return at::cat({part(0, group), part(group, 1), part(group + 1, 1)}).view(rows.sizes());
}

enum class Rows : uint8_t { kWeights, kBiases };

Result<at::Tensor> LoadRows(ModelSource& source, const std::string& name, int64_t heads,
                            Rows rows) {
  const int64_t out = heads * source.config().shape.head_dim;
  return rows == Rows::kBiases ? source.Bias(name + ".bias", out)
                               : source.Matrix(name + ".weight", out, source.config().shape.hidden);
}

Result<at::Tensor> LoadSeparate(ModelSource& source, const std::string& prefix, Rows rows) {
  const ModelConfig& config = source.config();
  const int64_t heads = config.shape.heads, kv_heads = config.shape.kv_heads;
  PC_ASSIGN_OR_RETURN(at::Tensor q, LoadRows(source, prefix + "attn_q", heads, rows));
  PC_ASSIGN_OR_RETURN(at::Tensor k, LoadRows(source, prefix + "attn_k", kv_heads, rows));
  PC_ASSIGN_OR_RETURN(const at::Tensor v, LoadRows(source, prefix + "attn_v", kv_heads, rows));
  if (config.rotary_rows == RotaryRowOrder::kInterleaved) {
    q = HalfSplit(q, config);
    k = HalfSplit(k, config);
  }
  return at::cat({q, k, v});
}

Result<at::Tensor> LoadAll(ModelSource& source, const std::string& prefix, Rows rows) {
  const ModelConfig& config = source.config();
  if (config.qkv == QkvTensors::kSeparate) return LoadSeparate(source, prefix, rows);
  const int64_t heads = config.shape.heads + 2 * config.shape.kv_heads;
  PC_ASSIGN_OR_RETURN(at::Tensor fused, LoadRows(source, prefix + "attn_qkv", heads, rows));
  return config.qkv == QkvTensors::kGrouped ? Ungroup(fused, config.shape) : fused;
}

}  // namespace

Result<Linear> LoadQkv(ModelSource& source, const std::string& prefix) {
  PC_ASSIGN_OR_RETURN(at::Tensor weight, LoadAll(source, prefix, Rows::kWeights));
  if (!source.config().qkv_bias) return Linear(std::move(weight));
  PC_ASSIGN_OR_RETURN(at::Tensor bias, LoadAll(source, prefix, Rows::kBiases));
  return Linear(std::move(weight), std::move(bias));
}

}  // namespace promptcache

#include "worker/model/logits.h"

#include <ATen/ATen.h>

#include <numeric>

#include "worker/model/model.h"

namespace promptcache {

Result<std::vector<float>> LastLogits(const LogitsRequest& request) {
  PC_ASSIGN_OR_RETURN(const ComputeDtype dtype, ParseComputeDtype(request.dtype));
  std::vector<Position> positions = request.positions;
  if (positions.empty()) {
    positions.resize(request.ids.size());
    std::iota(positions.begin(), positions.end(), Position{0});
  }
  if (request.ids.empty() || positions.size() != request.ids.size()) {
    return InvalidArgument(std::to_string(request.ids.size()) + " ids and " +
                           std::to_string(positions.size()) +
                           " positions: there must be one or more, and as many");
  }
  if (positions.front() < 0) {
    return InvalidArgument("position " + std::to_string(positions.front()) + " is below 0");
  }
  PC_ASSIGN_OR_RETURN(
      const LoadedModel loaded,
      LoadModel(request.model,
                {.dtype = dtype, .device = request.device, .threads = request.threads}));
  const int64_t context = loaded.model->shape().context_length;
  if (positions.back() >= context) {
    return InvalidArgument("position " + std::to_string(positions.back()) +
                           " is beyond the model's context of " + std::to_string(context) +
                           " tokens");
  }
  KvBuffer own(loaded.model->shape(), loaded.model->kv_options(),
               static_cast<int64_t>(positions.size()));
  SequenceStep step{.ids = request.ids, .positions = positions, .units = {}, .own = &own};
  PC_ASSIGN_OR_RETURN(const at::Tensor logits, loaded.model->Forward({&step, 1}));
  const auto* data = logits.const_data_ptr<float>();
  return std::vector<float>(data, data + logits.numel());
}

}  // namespace promptcache

#include "worker/model/decoder.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <thread>

namespace promptcache {
namespace {

int ThreadsFor(at::Device device, int wanted) {
  if (wanted > 0) return wanted;
  return device.is_cpu() ? std::max(1, static_cast<int>(std::thread::hardware_concurrency())) : 1;
}

// The ids of all steps, one after the other, on `device`.
at::Tensor TokenIds(std::span<const SequenceStep> steps, at::Device device) {
  std::vector<int64_t> ids;
  for (const SequenceStep& step : steps) ids.insert(ids.end(), step.ids.begin(), step.ids.end());
  return at::tensor(ids, at::kLong).to(device);
}

// The row of the last token of every sequence that wants logits.
std::optional<at::Tensor> WantedRows(std::span<const SequenceStep> steps, at::Device device) {
  std::vector<int64_t> rows;
  int64_t end = 0;
  for (const SequenceStep& step : steps) {
    end += static_cast<int64_t>(step.ids.size());
    if (step.logits == Logits::kLast) rows.push_back(end - 1);
  }
  if (rows.empty()) return std::nullopt;
  return at::tensor(rows, at::kLong).to(device);
}

// Waits for what layer `layer` reads of units, and before the first also for what is read at once.
Status Await(std::span<const SequenceStep> steps, int64_t layer, SteadyTime::duration& patience) {
  for (const SequenceStep& step : steps) {
    for (const KeyRange& range : step.units) {
      if (range.arrival == nullptr) continue;
      const int64_t count = range.rows < kGatherBelow ? range.kv->size(0) : layer + 1;
      PC_RETURN_IF_ERROR(range.arrival->Wait(count, patience));
    }
  }
  return {};
}

std::string Of(size_t index) { return "sequence " + std::to_string(index) + " of the step"; }

}  // namespace

Result<std::unique_ptr<Model>> Decoder::Load(ModelSource& source, int threads) {
  std::unique_ptr<Decoder> decoder(new Decoder(source.config(), source.compute(),
                                               ThreadsFor(source.compute().device(), threads)));
  PC_RETURN_IF_ERROR(decoder->LoadWeights(source));
  return std::unique_ptr<Model>(std::move(decoder));
}

// The head comes before the layers: it is the largest matrix, and while it is packed it is there
// twice.
Status Decoder::LoadWeights(ModelSource& source) {
  const ModelShape& s = config_.shape;
  PC_ASSIGN_OR_RETURN(embedding_, source.Matrix("token_embd.weight", s.vocabulary, s.hidden));
  if (config_.tied_head) {
    source.Ignore("output.weight");  // some files have the embedding twice
    head_ = Linear(embedding_);
  } else {
    PC_ASSIGN_OR_RETURN(at::Tensor head, source.Matrix("output.weight", s.vocabulary, s.hidden));
    head_ = Linear(std::move(head));
  }
  for (int64_t i = 0; i < s.layers; ++i) {
    PC_ASSIGN_OR_RETURN(Layer layer, Layer::Load(source, config_, i));
    layers_.push_back(std::move(layer));
  }
  const NormBias bias = config_.norm_bias ? NormBias::kRequired : NormBias::kNone;
  PC_ASSIGN_OR_RETURN(final_norm_, LoadNorm(source, "output_norm", s.hidden, bias));
  source.Ignore("rope_freqs.weight");  // in the configuration
  return source.CheckAllUsed();
}

Result<at::Tensor> Decoder::Forward(std::span<SequenceStep> steps) {
  if (steps.empty()) return InvalidArgument("a step needs at least one sequence");
  for (size_t i = 0; i < steps.size(); ++i) {
    if (Status status = Check(steps[i]); !status.ok()) return status.WithContext(Of(i));
  }
  try {
    return Run(steps);
  } catch (const c10::OutOfMemoryError& error) {
    return ResourceExhausted(std::string("model: ") + error.what_without_backtrace());
  } catch (const c10::Error& error) {
    const std::string what = error.what_without_backtrace();
    if (what.find("allocate memory") != std::string::npos) {
      return ResourceExhausted("model: " + what);
    }
    return Internal("model: " + what);
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("model: out of memory");
  } catch (const std::exception& error) {
    return Internal(std::string("model: ") + error.what());
  }
}

Status Decoder::Check(const SequenceStep& step) const {
  if (step.own == nullptr || !step.own->tensor().defined()) {
    return InvalidArgument("no buffer for keys and values");
  }
  if (step.ids.empty() || step.ids.size() != step.positions.size()) {
    return InvalidArgument(std::to_string(step.ids.size()) + " ids for " +
                           std::to_string(step.positions.size()) + " positions");
  }
  for (size_t i = 0; i < step.ids.size(); ++i) {
    if (step.ids[i] < 0 || step.ids[i] >= config_.shape.vocabulary) {
      return InvalidArgument("token id " + std::to_string(step.ids[i]) + ", the vocabulary has " +
                             std::to_string(config_.shape.vocabulary));
    }
    if (i > 0 && step.positions[i] <= step.positions[i - 1]) {
      return InvalidArgument("positions do not ascend at token " + std::to_string(i));
    }
  }
  const auto own = step.own->tensor().sizes();
  if (own.size() != 5 || own[0] != config_.shape.layers || own[2] != config_.shape.kv_heads ||
      own[4] != config_.shape.head_dim || step.own->tensor().scalar_type() != compute_.dtype()) {
    return InvalidArgument("the buffer for keys and values was made for another model");
  }
  return CheckUnits(step);
}

Status Decoder::CheckUnits(const SequenceStep& step) const {
  const ModelShape& shape = config_.shape;
  for (const KeyRange& range : step.units) {
    if (range.kv == nullptr || range.kv->dim() != 5 || range.kv->size(0) != shape.layers ||
        range.kv->size(1) != 2 || range.kv->size(2) != shape.kv_heads ||
        range.kv->size(4) != shape.head_dim || !range.kv->is_contiguous() ||
        range.kv->scalar_type() != compute_.dtype() || range.kv->device() != compute_.device()) {
      return InvalidArgument("a unit's keys and values do not have the model's shape and dtype");
    }
    if (range.first_row < 0 || range.rows < 0 || range.first_query < 0 ||
        range.first_row > range.kv->size(3) - range.rows) {
      return InvalidArgument("rows " + std::to_string(range.first_row) + " + " +
                             std::to_string(range.rows) + " of a unit with " +
                             std::to_string(range.kv->size(3)));
    }
  }
  return Status();
}

Result<at::Tensor> Decoder::Run(std::span<SequenceStep> steps) {
  const AwaitLayer await = [steps, patience = SteadyTime::duration(kLayerPatience)](
                               int64_t layer) mutable { return Await(steps, layer, patience); };
  PC_RETURN_IF_ERROR(await(0));
  const c10::NoGradGuard no_grad;
  const at::AutoDispatchBelowADInplaceOrView no_autograd;
  const ThreadTeam::Use our_loops(&team_);
  // OpenMP keeps the number of threads per calling thread.
  if (at::get_num_threads() != threads_) at::set_num_threads(threads_);
  std::vector<AttentionSequence> sequences;
  for (SequenceStep& step : steps) {
    const int64_t past = step.own->size();
    step.own->Grow(step.positions);
    sequences.push_back({.positions = step.positions,
                         .units = step.units,
                         .own = &step.own->tensor(),
                         .past = past,
                         .own_positions = step.own->positions()});
  }
  const ModelShape& shape = config_.shape;
  const PositionSettings& positions = config_.positions;
  StepAttention attention({.shape = {shape.heads, shape.kv_heads, shape.head_dim},
                           .rotary = {positions.frequencies, positions.magnitude},
                           .slopes = positions.slopes,
                           .scale = config_.score_scale},
                          sequences);
  const at::Device device = compute_.device();
  const at::Tensor x = embedding_.index_select(0, TokenIds(steps, device)).to(at::kFloat);
  const auto wanted = WantedRows(steps, device);
  PC_ASSIGN_OR_RETURN(const at::Tensor hidden, RunLayers(x, attention, wanted, await));
  if (!wanted) return at::empty({0, shape.vocabulary}, at::kFloat);
  const at::Tensor logits = head_.ApplyToFloat(hidden).cpu();  // [wanted, vocabulary]
  return config_.logit_scale == 1 ? logits : logits * config_.logit_scale;
}

Result<at::Tensor> Decoder::RunLayers(at::Tensor x, StepAttention& attention,
                                      const std::optional<at::Tensor>& wanted,
                                      const AwaitLayer& await) const {
  const at::ScalarType dtype = embedding_.scalar_type();
  at::Tensor normed = layers_.front().attention_norm().Apply(x, dtype);  // [tokens, hidden]
  for (size_t i = 0; i < layers_.size(); ++i) {
    PC_RETURN_IF_ERROR(await(static_cast<int64_t>(i)));
    const Layer& layer = layers_[i];
    at::Tensor attended = layer.Attend(normed, attention);
    const bool last = i + 1 == layers_.size();
    if (last) {  // beyond the keys and values only the wanted rows matter
      if (!wanted) return at::Tensor();
      attended = attended.index_select(0, *wanted);
      normed = normed.index_select(0, *wanted);
      x = x.index_select(0, *wanted);
    }
    at::Tensor added = layer.Project(attended);  // what is still to be added to x
    if (config_.residual == Residual::kSequential) {
      added = layer.Feed(layer.feed_forward_norm().AddAndApply(x, added));
    } else {
      const bool one_norm = config_.residual == Residual::kParallel;
      const at::Tensor fed =
          layer.Feed(one_norm ? normed : layer.feed_forward_norm().Apply(x, dtype));
      x.add_(added);
      added = fed;
    }
    const Norm& next = last ? final_norm_ : layers_[i + 1].attention_norm();
    normed = next.AddAndApply(x, added);
  }
  return normed;
}

}  // namespace promptcache

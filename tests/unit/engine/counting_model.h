// A model that counts what it computes.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <span>
#include <utility>

#include "worker/model/model.h"

namespace promptcache::testing {

// Counts what another model computes.
class CountingModel : public Model {
 public:
  // `on_forward` is called on the engine thread before each forward step.
  explicit CountingModel(Model& model, std::function<void()> on_forward = {})
      : model_(model), on_forward_(std::move(on_forward)) {}
  const ModelShape& shape() const override { return model_.shape(); }
  at::TensorOptions kv_options() const override { return model_.kv_options(); }
  Result<at::Tensor> Forward(std::span<SequenceStep> steps) override {
    for (const SequenceStep& step : steps) tokens_ += step.ids.size();
    most_rows_ = std::max(most_rows_.load(), steps.size());
    ++forwards_;
    if (on_forward_) on_forward_();
    return model_.Forward(steps);
  }
  size_t forwards() const { return forwards_; }
  size_t tokens() const { return tokens_; }
  size_t most_rows() const { return most_rows_; }

 private:
  Model& model_;
  const std::function<void()> on_forward_;
  std::atomic<size_t> forwards_{0};
  std::atomic<size_t> tokens_{0};
  std::atomic<size_t> most_rows_{0};
};

}  // namespace promptcache::testing

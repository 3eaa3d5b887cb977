#include "worker/kv/context_forecast.h"

#include <ATen/core/Tensor.h>

#include <span>

#include "worker/kv/context_cache.h"

namespace promptcache {
namespace {

// The smallest shape that states can have: the cache decides by tokens only.
class NoModel : public Model {
 public:
  const ModelShape& shape() const override { return shape_; }
  at::TensorOptions kv_options() const override { return at::TensorOptions(at::kBFloat16); }
  Result<at::Tensor> Forward(std::span<SequenceStep> /*steps*/) override {
    return Internal("a forecast computes nothing");
  }

 private:
  const ModelShape shape_{.layers = 1, .kv_heads = 1, .head_dim = 1};
};

}  // namespace

struct ContextForecast::State {
  NoModel model;
  ContextCache contexts;
};

ContextForecast::ContextForecast() : state_(std::make_unique<State>()) {}
ContextForecast::~ContextForecast() = default;

uint32_t ContextForecast::Add(const Tokens& context) {
  if (context.empty()) return 0;
  const Tokens framed = InOwnFrame(context);
  ContextChain& chain = *state_->contexts.Prepare(framed, state_->model);
  const auto shared = static_cast<size_t>(ContextCache::SharedRows(chain, framed));
  chain.kv.Grow(std::span(framed.positions).subspan(shared));
  for (size_t i = shared; i < framed.size(); ++i) {
    chain.tokens.Append(framed.ids[i], framed.positions[i]);
  }
  return static_cast<uint32_t>(framed.size() - shared);
}

}  // namespace promptcache

#include "worker/kv/unit_encoder.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "common/clock.h"

namespace promptcache {
namespace {

template <typename T>
std::span<const T> Part(const std::vector<T>& all, int64_t begin, int64_t end) {
  return std::span<const T>(all).subspan(static_cast<size_t>(begin),
                                         static_cast<size_t>(end - begin));
}

}  // namespace

uint64_t TokensToEncode(const Recipe& recipe, const ContextCache& contexts, uint64_t domain) {
  const uint64_t tokens = recipe.own.size() + recipe.context.size();
  if (recipe.context.empty()) return tokens;
  return tokens - static_cast<uint64_t>(contexts.MostShared(InOwnFrame(recipe.context), domain));
}

UnitEncoder::UnitEncoder(Model& model, ContextCache& contexts, UnitKey key,
                         std::shared_ptr<const Recipe> recipe, uint64_t domain)
    : model_(model),
      key_(key),
      recipe_(std::move(recipe)),
      own_(model.shape(), model.kv_options(), static_cast<int64_t>(recipe_->own.size())) {
  if (recipe_->context.empty()) return;
  context_ = InOwnFrame(recipe_->context);
  context_chunks_ = ContextChunks(context_);
  chain_ = contexts.Prepare(context_, model, domain);
  context_done_ = ContextCache::SharedRows(*chain_, context_);
}

Result<bool> UnitEncoder::Step() {
  const SteadyTime start = SystemClock().Now();
  const auto context_size = static_cast<int64_t>(context_.size());
  if (context_done_ < context_size) {
    const int64_t end =
        *std::upper_bound(context_chunks_.begin(), context_chunks_.end(), context_done_);
    PC_RETURN_IF_ERROR(StepContext(context_done_, end));
  } else {
    PC_RETURN_IF_ERROR(StepOwn());
  }
  seconds_ += MillisecondsBetween(start, SystemClock().Now()) / 1000;
  return own_done_ == static_cast<int64_t>(recipe_->own.size());
}

Status UnitEncoder::StepContext(int64_t begin, int64_t end) {
  SequenceStep step{.ids = Part(context_.ids, begin, end),
                    .positions = Part(context_.positions, begin, end),
                    .own = &chain_->kv,
                    .logits = Logits::kNone};
  PC_RETURN_IF_ERROR(model_.Forward({&step, 1}).status());
  for (int64_t i = begin; i < end; ++i) {
    chain_->tokens.Append(context_.ids[i], context_.positions[i]);
  }
  computed_ += static_cast<uint32_t>(end - begin);
  context_done_ = end;
  return {};
}

Status UnitEncoder::StepOwn() {
  const Tokens& own = recipe_->own;
  const int64_t begin = own_done_;
  const int64_t end = std::min<int64_t>(begin + kEncodeChunk, static_cast<int64_t>(own.size()));
  // The context is read where it lies: its frame begins `shift` before the unit's first token.
  KeyRange context;
  std::span<const KeyRange> ranges;
  if (chain_) {
    context = {.kv = &chain_->kv.tensor(),
               .rows = static_cast<int64_t>(context_.size()),
               .shift = recipe_->context.positions.front(),
               .positions = chain_->kv.positions()};
    ranges = {&context, 1};
  }
  SequenceStep step{.ids = Part(own.ids, begin, end),
                    .positions = Part(own.positions, begin, end),
                    .units = ranges,
                    .own = &own_,
                    .logits = Logits::kNone};
  PC_RETURN_IF_ERROR(model_.Forward({&step, 1}).status());
  computed_ += static_cast<uint32_t>(end - begin);
  own_done_ = end;
  return {};
}

at::Tensor UnitEncoder::Rows() const {
  std::vector<at::Tensor> parts;
  int64_t from = 0;
  const auto add_up_to = [&](int64_t end) {
    parts.push_back(own_.tensor().narrow(3, from, end - from));
  };
  for (const RowRange& range : recipe_->hidden) {
    add_up_to(range.first);
    from = range.end();
  }
  add_up_to(own_.size());
  return at::cat(parts, 3);
}

UnitPtr UnitEncoder::Take() {
  auto unit = std::make_shared<Unit>();
  unit->key = key_;
  unit->digest = recipe_->Digest();
  unit->recipe = recipe_;
  unit->kv = Rows();
  unit->positions = recipe_->RowPositions();
  unit->bytes = unit->kv.nbytes();
  unit->encode_seconds = seconds_;
  return unit;
}

}  // namespace promptcache

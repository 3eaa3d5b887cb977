// One running request: its units, its own keys and values, and how far it is.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/text/detokenizer.h"
#include "worker/engine/request.h"
#include "worker/engine/sampler.h"
#include "worker/kv/unit.h"
#include "worker/model/model.h"

namespace promptcache {

// Not thread safe: belongs to the engine thread.
class Sequence {
 public:
  // The tokenizer outlives the sequence.
  Sequence(EngineRequest request, const Tokenizer& tokenizer, SteadyTime admitted);

  const EngineRequest& request() const { return request_; }
  Usage& usage() { return usage_; }

  // ---- units ----
  size_t unit_count() const { return units_.size(); }
  size_t missing_units() const { return missing_; }
  // Unit `index` has arrived, after waiting for `milliseconds`.
  void SetUnit(size_t index, UnitPtr unit, UnitUsage usage);
  // All units are there: computing may begin. Call once. kResourceExhausted when there is no memory
  // for its keys and values.
  Status Begin(const Model& model, SteadyTime now);

  // ---- steps ----
  // The next forward step: a part of the new tokens, or the last generated token. Valid until the
  // sequence changes. REQUIRES: !done() and Begin was called.
  SequenceStep NextStep(uint32_t prefill_chunk);
  // What the forward step gave: logits [vocabulary] fp32 when the step asked for them, else empty.
  void StepDone(std::span<float> logits, SteadyTime now);
  bool done() const { return finish_ != FinishReason::kNone; }
  FinishReason finish() const { return finish_; }

  // Generated tokens and text since the last call.
  struct Output {
    std::vector<TokenId> tokens;
    std::string text;
  };
  Output TakeOutput();

 private:
  void AcceptToken(TokenId id, SteadyTime now);
  bool IsEnd(TokenId id) const;
  std::vector<TokenId> History() const;

  const EngineRequest request_;
  const Tokenizer& tokenizer_;
  Usage usage_;
  std::vector<UnitPtr> units_;
  size_t missing_ = 0;

  KvBuffer own_;
  std::vector<KeyRange> ranges_;          // of the current step
  std::vector<Position> step_positions_;  // of a generated token
  std::vector<TokenId> step_ids_;
  size_t prefilled_ = 0;
  size_t step_tokens_ = 0;

  std::optional<Sampler> sampler_;
  StreamingDetokenizer detokenizer_;
  StopMatcher stops_;
  Output output_;
  uint32_t generated_ = 0;
  TokenId last_token_ = 0;
  FinishReason finish_ = FinishReason::kNone;
};

}  // namespace promptcache

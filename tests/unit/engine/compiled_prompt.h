// PML to plans that the small model can answer, and their logits: by the model, and in double.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/text/tokenizer.h"
#include "common/types.h"
#include "coordinator/plan/repair_choice.h"
#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/model/llama_reference.h"

namespace promptcache {
struct Layout;
}

namespace promptcache::testing {

using LayoutPtr = std::shared_ptr<const Layout>;

struct CompiledPrompt {
  Plan plan;
  std::vector<std::shared_ptr<const Recipe>> recipes;  // of plan.units

  // Imported rows and new tokens by position.
  Tokens tokens() const;
  // The same with ids below `vocabulary`, for models that know fewer.
  CompiledPrompt Folded(int64_t vocabulary) const;
};

// The pipeline with the small model's tokenizer: every byte is a token. Errors fail the test and
// give null or an empty prompt.
class PmlCompiler {
 public:
  LayoutPtr Schema(const std::string& document) const;
  // `prompt` is the inside of <prompt schema="...">.
  CompiledPrompt Prompt(const LayoutPtr& layout, const std::string& prompt,
                        const RepairChoice& repair = {}) const;
  CompiledPrompt Compile(const std::string& schema, const std::string& prompt) const {
    return Prompt(Schema(schema), prompt);
  }

 private:
  const std::unique_ptr<Tokenizer> tokenizer_ = LoadTinyTokenizer();
};

class PmlTest : public EngineTest {
 protected:
  EngineRequest RequestFor(const CompiledPrompt& prompt, uint32_t max_new_tokens) const;

  const PmlCompiler compiler_;
};

// The prompt's units, each encoded by itself.
std::vector<UnitPtr> EncodeUnits(Model& model, const CompiledPrompt& prompt);
// One step over all new tokens of a prompt, and what it reads. Immovable: steps point into it.
class PromptStep {
 public:
  PromptStep(Model& model, const CompiledPrompt& prompt);
  PromptStep(const PromptStep&) = delete;

  SequenceStep step();
  std::vector<KeyRange>& ranges() { return ranges_; }
  // Of the new tokens, once the step is done.
  const KvBuffer& own() const { return own_; }

 private:
  const Tokens fresh_;
  const std::vector<UnitPtr> units_;
  std::vector<KeyRange> ranges_;
  KvBuffer own_;
};
// Logits after the last new token of each step, all done in one.
std::vector<std::vector<float>> Forward(Model& model, std::span<SequenceStep> steps);
std::vector<float> ModelLogits(Model& model, const CompiledPrompt& prompt);
// The same from what plans and recipes mean: each unit computed behind a context of its own, its
// rows moved to where the segments have them; new tokens see what stands before them.
std::vector<double> ReferenceLogits(const TinyLlama& llama, const CompiledPrompt& prompt);

// A text of a computation by hand. Each token sees the earlier ones of its piece and all tokens of
// the pieces in `sees`, which are listed before it.
struct Piece {
  char name;
  std::string text;
  Position at;
  std::string sees;
};
// The last token's.
std::vector<double> ReferenceLogits(const TinyLlama& llama, const std::vector<Piece>& pieces);

}  // namespace promptcache::testing

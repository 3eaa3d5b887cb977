#include "tests/unit/engine/compiled_prompt.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "coordinator/layout/layout.h"
#include "coordinator/plan/plan_builder.h"
#include "tests/unit/kv/encode.h"
#include "tests/unit/kv/recipes.h"
#include "worker/engine/key_ranges.h"

namespace promptcache::testing {
namespace {

const ChatTemplate& NoTemplate() { return **FindChatTemplate("none", ""); }

std::vector<TokenId> RowIds(const Recipe& recipe) {
  std::vector<TokenId> ids;
  size_t from = 0;
  for (const RowRange& range : recipe.hidden) {
    ids.insert(ids.end(), recipe.own.ids.begin() + from, recipe.own.ids.begin() + range.first);
    from = range.end();
  }
  ids.insert(ids.end(), recipe.own.ids.begin() + from, recipe.own.ids.end());
  return ids;
}

// A plan as one list of tokens for the reference: units first, each in its own frame.
class Spelled {
 public:
  explicit Spelled(const CompiledPrompt& prompt) {
    for (size_t unit = 0; unit < prompt.recipes.size(); ++unit) AddUnit(prompt, unit);
    const Tokens& fresh = prompt.plan.new_tokens;
    for (size_t i = 0; i < fresh.size(); ++i) {
      Add(fresh.ids[i], fresh.positions[i], kNew, fresh.positions[i]);
    }
  }

  const Tokens& tokens() const { return tokens_; }
  bool Sees(size_t query, size_t key) const {
    if (groups_[query] != kNew) return groups_[query] == groups_[key];
    return seen_at_[key] && *seen_at_[key] < tokens_.positions[query];
  }
  Position Moved(size_t query, size_t key) const {
    return groups_[query] == groups_[key] ? 0 : *seen_at_[key] - tokens_.positions[key];
  }

 private:
  static constexpr size_t kNew = ~size_t{0};

  void Add(TokenId id, Position position, size_t group, std::optional<Position> seen_at) {
    tokens_.Append(id, position);
    groups_.push_back(group);
    seen_at_.push_back(seen_at);
  }

  void AddUnit(const CompiledPrompt& prompt, size_t unit) {
    const Recipe& recipe = *prompt.recipes[unit];
    for (size_t i = 0; i < recipe.context.size(); ++i) {
      Add(recipe.context.ids[i], recipe.context.positions[i], unit, std::nullopt);
    }
    std::vector<size_t> rows;  // where they are in the list
    for (size_t i = 0; i < recipe.own.size(); ++i) {
      const bool hidden =
          std::any_of(recipe.hidden.begin(), recipe.hidden.end(),
                      [&](const RowRange& range) { return i >= range.first && i < range.end(); });
      if (!hidden) rows.push_back(tokens_.size());
      Add(recipe.own.ids[i], recipe.own.positions[i], unit, std::nullopt);
    }
    for (const PlanSegment& segment : prompt.plan.segments) {
      if (segment.unit != unit) continue;
      for (uint32_t row = 0; row < segment.rows; ++row) {
        seen_at_[rows.at(segment.first_row + row)] =
            segment.first_position + static_cast<Position>(row);
      }
    }
  }

  Tokens tokens_;
  std::vector<size_t> groups_;                    // the token's unit
  std::vector<std::optional<Position>> seen_at_;  // by new tokens
};

}  // namespace

Tokens CompiledPrompt::tokens() const {
  std::vector<std::pair<Position, TokenId>> all;
  for (size_t i = 0; i < plan.new_tokens.size(); ++i) {
    all.emplace_back(plan.new_tokens.positions[i], plan.new_tokens.ids[i]);
  }
  for (const PlanSegment& segment : plan.segments) {
    const std::vector<TokenId> ids = RowIds(*recipes[segment.unit]);
    for (uint32_t row = 0; row < segment.rows; ++row) {
      all.emplace_back(segment.first_position + static_cast<Position>(row),
                       ids.at(segment.first_row + row));
    }
  }
  std::sort(all.begin(), all.end());
  Tokens tokens;
  for (const auto& [position, id] : all) tokens.Append(id, position);
  return tokens;
}

CompiledPrompt CompiledPrompt::Folded(int64_t vocabulary) const {
  const auto fold = [vocabulary](Tokens& tokens) {
    for (TokenId& id : tokens.ids) id = static_cast<TokenId>(id % vocabulary);
  };
  CompiledPrompt folded{.plan = plan};
  fold(folded.plan.new_tokens);
  for (size_t i = 0; i < recipes.size(); ++i) {
    Recipe recipe = *recipes[i];
    fold(recipe.context);
    fold(recipe.own);
    folded.plan.units[i].digest = recipe.Digest();
    folded.recipes.push_back(std::make_shared<const Recipe>(std::move(recipe)));
  }
  return folded;
}

LayoutPtr PmlCompiler::Schema(const std::string& document) const {
  const TextEncoder encoder(*tokenizer_, NoTemplate());
  const PmlSource source("schema.xml", document);
  Diagnostics diagnostics(source);
  const auto schema = ParseSchema(source, {}, diagnostics);
  auto layout = schema
                    ? BuildLayout(*schema, encoder, {.context_length = kTinyContext}, diagnostics)
                    : std::nullopt;
  EXPECT_TRUE(layout.has_value()) << diagnostics.ToStatus().message() << document;
  return layout ? std::make_shared<const Layout>(*std::move(layout)) : nullptr;
}

CompiledPrompt PmlCompiler::Prompt(const LayoutPtr& layout, const std::string& prompt,
                                   const RepairChoice& repair) const {
  if (layout == nullptr) return {};
  const TextEncoder encoder(*tokenizer_, NoTemplate());
  const PmlSource source("prompt.xml",
                         "<prompt schema=\"" + layout->schema + "\">" + prompt + "</prompt>");
  const auto document = ParsePrompt(source);
  EXPECT_TRUE(document.ok()) << document.status().ToString();
  if (!document.ok()) return {};
  const auto plan =
      BuildPlan(*layout, encoder, source, *document, {.repair = repair, .max_new_tokens = 1});
  EXPECT_TRUE(plan.ok()) << plan.status().ToString();
  if (!plan.ok()) return {};
  CompiledPrompt compiled{.plan = *plan};
  for (const PlanUnit& wanted : plan->units) {
    const auto unit = std::find_if(layout->units.begin(), layout->units.end(),
                                   [&](const auto& one) { return one.digest == wanted.digest; });
    EXPECT_NE(unit, layout->units.end()) << wanted.path;
    if (unit == layout->units.end()) return {};
    compiled.recipes.push_back(std::make_shared<const Recipe>(layout->RecipeOf(*unit)));
  }
  return compiled;
}

EngineRequest PmlTest::RequestFor(const CompiledPrompt& prompt, uint32_t max_new_tokens) const {
  EngineRequest request = Request(PlanMaker(), max_new_tokens);
  request.plan = prompt.plan;
  for (const auto& recipe : prompt.recipes) request.recipes.push_back(Known(*recipe));
  return request;
}

std::vector<UnitPtr> EncodeUnits(Model& model, const CompiledPrompt& prompt) {
  ContextCache contexts;
  std::vector<UnitPtr> units;
  for (const auto& recipe : prompt.recipes) units.push_back(Encode(model, contexts, recipe).unit);
  return units;
}

PromptStep::PromptStep(Model& model, const CompiledPrompt& prompt)
    : fresh_(prompt.plan.new_tokens),
      units_(EncodeUnits(model, prompt)),
      ranges_(BuildKeyRanges(prompt.plan, units_, fresh_.positions)),
      own_(model.shape(), model.kv_options(), static_cast<int64_t>(fresh_.size())) {}

SequenceStep PromptStep::step() {
  return {.ids = fresh_.ids, .positions = fresh_.positions, .units = ranges_, .own = &own_};
}

std::vector<std::vector<float>> Forward(Model& model, std::span<SequenceStep> steps) {
  const auto logits = model.Forward(steps);
  EXPECT_TRUE(logits.ok()) << logits.status().ToString();
  std::vector<std::vector<float>> rows;
  for (int64_t i = 0; logits.ok() && i < logits->size(0); ++i) {
    const float* row = logits->const_data_ptr<float>() + i * logits->size(1);
    rows.emplace_back(row, row + logits->size(1));
  }
  return rows;
}

std::vector<float> ModelLogits(Model& model, const CompiledPrompt& prompt) {
  PromptStep one(model, prompt);
  SequenceStep step = one.step();
  const auto rows = Forward(model, {&step, 1});
  return rows.empty() ? std::vector<float>() : rows.front();
}

std::vector<double> ReferenceLogits(const TinyLlama& llama, const CompiledPrompt& prompt) {
  const Spelled spelled(prompt);
  return ReferenceLogits(
      llama, spelled.tokens(), [&](size_t query, size_t key) { return spelled.Sees(query, key); },
      [&](size_t query, size_t key) { return spelled.Moved(query, key); });
}

std::vector<double> ReferenceLogits(const TinyLlama& llama, const std::vector<Piece>& pieces) {
  Tokens tokens;
  std::vector<const Piece*> piece_of;
  for (const Piece& piece : pieces) {
    Position at = piece.at;
    for (const char c : piece.text) {
      tokens.Append(static_cast<uint8_t>(c), at++);
      piece_of.push_back(&piece);
    }
  }
  return ReferenceLogits(llama, tokens, [&](size_t query, size_t key) {
    return piece_of[query] == piece_of[key] ||
           piece_of[query]->sees.find(piece_of[key]->name) != std::string::npos;
  });
}

}  // namespace promptcache::testing

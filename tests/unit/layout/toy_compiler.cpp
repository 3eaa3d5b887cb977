#include "tests/unit/layout/toy_compiler.h"

#include <algorithm>

#include "common/text/toy_tokenizer.h"

namespace promptcache::testing {
namespace {

const ChatTemplate& TemplateNamed(std::string_view name) { return **FindChatTemplate(name, ""); }

// The own tokens that the unit stores.
Tokens RowsOf(const Recipe& recipe) {
  Tokens rows;
  auto hidden = recipe.hidden.begin();
  for (uint32_t i = 0; i < recipe.own.size(); ++i) {
    if (hidden != recipe.hidden.end() && i >= hidden->end()) ++hidden;
    if (hidden != recipe.hidden.end() && i >= hidden->first) continue;
    rows.Append(recipe.own.ids[i], recipe.own.positions[i]);
  }
  return rows;
}

}  // namespace

ToyCompiler::ToyCompiler(std::string_view chat_template)
    : tokenizer_(MakeToyTokenizer()), encoder_(*tokenizer_, TemplateNamed(chat_template)) {}

Result<Layout> ToyCompiler::LayoutOf(const std::string& schema,
                                     const LayoutOptions& options) const {
  const PmlSource source("schema.xml", schema);
  Diagnostics diagnostics(source);
  const auto document = ParseSchema(source, {}, diagnostics);
  if (!document) return diagnostics.ToStatus();
  auto layout = BuildLayout(*document, encoder_, options, diagnostics);
  if (!layout) return diagnostics.ToStatus();
  return *std::move(layout);
}

Result<Plan> ToyCompiler::PlanOf(const Layout& layout, const std::string& prompt,
                                 const PlanOptions& options) const {
  const PmlSource source("prompt.xml", prompt);
  PC_ASSIGN_OR_RETURN(const PromptDocument document, ParsePrompt(source));
  return BuildPlan(layout, encoder_, source, document, options);
}

std::string ToyCompiler::Marked(const Recipe& recipe) const {
  std::string out;
  uint32_t done = 0;
  const auto append = [&](uint32_t begin, uint32_t end, const char* open, const char* close) {
    if (begin == end) return;
    Tokens part;
    for (uint32_t i = begin; i < end; ++i) {
      part.Append(recipe.own.ids[i], recipe.own.positions[i]);
    }
    out += (out.empty() ? "" : " ") + std::string(open) + Words(part) + close;
  };
  for (const RowRange& range : recipe.hidden) {
    append(done, range.first, "", "");
    append(range.first, range.end(), "(", ")");
    done = range.end();
  }
  append(done, static_cast<uint32_t>(recipe.own.size()), "", "");
  return out;
}

std::string ToyCompiler::Words(const Tokens& tokens) const {
  std::string words;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto word = tokenizer_->TokenBytes(tokens.ids[i]);
    words += (words.empty() ? "" : " ") + (word.ok() ? *word : "?") + "@" +
             std::to_string(tokens.positions[i]);
  }
  return words;
}

std::string ToyCompiler::Cached(const Layout& layout, const Plan& plan) const {
  Tokens rows;
  for (const PlanSegment& segment : plan.segments) {
    const auto unit = std::find_if(layout.units.begin(), layout.units.end(), [&](const auto& one) {
      return one.digest == plan.units[segment.unit].digest &&
             one.path == plan.units[segment.unit].path;
    });
    if (unit == layout.units.end()) return "a segment of an unknown unit";
    const Tokens own = RowsOf(layout.RecipeOf(*unit));
    for (uint32_t row = segment.first_row; row < segment.first_row + segment.rows; ++row) {
      rows.Append(own.ids[row], own.positions[row] + segment.shift);
    }
  }
  return Words(rows);
}

std::string ToyCompiler::Run(const std::string& schema, const std::string& prompt,
                             const PlanOptions& options) const {
  const auto layout = LayoutOf(schema);
  if (!layout.ok()) return "error: " + layout.status().message();
  const auto plan =
      PlanOf(*layout, "<prompt schema=\"" + layout->schema + "\">" + prompt + "</prompt>", options);
  if (!plan.ok()) return "error: " + plan.status().message();
  return "length " + std::to_string(layout->length) + "; cached " + Cached(*layout, *plan) +
         "; new " + Words(plan->new_tokens) + "; next " + std::to_string(plan->next_position);
}

std::string ToyCompiler::SchemaError(const std::string& schema) const {
  const auto layout = LayoutOf(schema);
  return layout.ok() ? "" : layout.status().message();
}

std::string ToyCompiler::Recipes(const std::string& schema) const {
  const auto layout = LayoutOf(schema);
  if (!layout.ok()) return "error: " + layout.status().message();
  std::string out;
  for (const LayoutUnit& unit : layout->units) {
    const Recipe recipe = layout->RecipeOf(unit);
    out += (out.empty() ? "" : "; ") + unit.path + ": [" + Words(recipe.context) + "] " +
           Marked(recipe);
  }
  return out;
}

}  // namespace promptcache::testing

// Schemas and prompts through the whole pipeline with the toy tokenizer, with results as text that
// a test can compare: "r@0 a1@1".
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/text/templates.h"
#include "common/text/tokenizer.h"
#include "coordinator/layout/layout.h"
#include "coordinator/plan/plan_builder.h"

namespace promptcache::testing {

class ToyCompiler {
 public:
  explicit ToyCompiler(std::string_view chat_template = "none");

  Result<Layout> LayoutOf(const std::string& schema, const LayoutOptions& options = {}) const;
  Result<Plan> PlanOf(const Layout& layout, const std::string& prompt,
                      const PlanOptions& options = {}) const;

  // "a@0 b@1"
  std::string Words(const Tokens& tokens) const;
  // The rows a plan reads from units, by position.
  std::string Cached(const Layout& layout, const Plan& plan) const;
  // "length 5; cached r@0 t@4; new q@5; next 6", or "error: ..." of the first stage that fails.
  // `prompt` is the inside of <prompt schema="s">.
  std::string Run(const std::string& schema, const std::string& prompt,
                  const PlanOptions& options = {}) const;
  // The message of the schema's error, or "" when there is none.
  std::string SchemaError(const std::string& schema) const;
  // "s: [] r@0 t@3; s/A: [r@-1] a1@0 (x@1) b@2": the units in document order, then those of sets;
  // context in brackets, hidden tokens in parentheses.
  std::string Recipes(const std::string& schema) const;

  const TextEncoder& encoder() const { return encoder_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }

 private:
  std::string Marked(const Recipe& recipe) const;

  std::unique_ptr<Tokenizer> tokenizer_;
  TextEncoder encoder_;
};

}  // namespace promptcache::testing

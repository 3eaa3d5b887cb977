#include "coordinator/lint/example.h"

#include <cstdlib>

#include "common/text/toy_tokenizer.h"
#include "coordinator/layout/layout.h"
#include "coordinator/lint/lint.h"
#include "coordinator/plan/plan_builder.h"
#include "coordinator/pml/prompt.h"
#include "coordinator/pml/sources.h"

namespace promptcache {
namespace {

const ChatTemplate& ChatMl() {
  const auto found = FindChatTemplate("chatml", "");
  if (!found.ok()) std::abort();  // it is built in
  return **found;
}

std::optional<Layout> CompileSchema(const PmlExample& example, const PmlLimits& limits,
                                    const TextEncoder& encoder, Diagnostics& diagnostics) {
  auto document = ParseSchema(diagnostics.source(), limits, diagnostics);
  if (!document) return std::nullopt;
  std::vector<SourceFile> files;
  if (!example.source_path.empty()) {
    files.push_back({std::string(example.source_path), std::string(example.source_text)});
  }
  AttachSources(files, limits, *document, diagnostics);
  if (!diagnostics.ok()) return std::nullopt;
  auto layout = BuildLayout(
      *document, encoder,
      {.context_length = example.context_length, .set_tokens = limits.set_tokens}, diagnostics);
  if (layout && example.prompt.empty()) {
    Lint(*document, *layout, {.context_length = example.context_length}, diagnostics);
  }
  return layout;
}

std::vector<Diagnostic> Said(const Diagnostics& diagnostics) {
  std::vector<Diagnostic> all = diagnostics.errors();
  all.insert(all.end(), diagnostics.warnings().begin(), diagnostics.warnings().end());
  return all;
}

}  // namespace

std::vector<Diagnostic> CompileExample(const PmlMessage& message) {
  const PmlExample& example = message.example;
  const auto tokenizer = MakeToyTokenizer(example.toy);
  const TextEncoder encoder(*tokenizer, ChatMl());
  const bool is_prompt = !example.prompt.empty();
  const PmlSource schema("schema.xml", std::string(example.schema));
  Diagnostics of_schema(schema);
  std::optional<Layout> layout;
  if (!is_prompt || !example.schema.empty()) {
    layout = CompileSchema(example, is_prompt ? PmlLimits() : example.limits, encoder, of_schema);
  }
  if (!is_prompt || !of_schema.ok()) return Said(of_schema);

  const PmlSource prompt("prompt.xml", std::string(example.prompt));
  Diagnostics of_prompt(prompt);
  const auto document = ParsePrompt(prompt, example.limits, of_prompt);
  if (document && layout) {
    (void)BuildPlan(
        *layout, encoder, *document,
        {.max_new_tokens = example.max_new_tokens, .context_length = example.context_length},
        of_prompt);
  }
  return Said(of_prompt);
}

}  // namespace promptcache

// A prompt that a user sends, against a schema that has everything: fixed, parsed, printed and
// planned, with gaps and packed.
#include <string>

#include "common/text/toy_tokenizer.h"
#include "coordinator/plan/plan_builder.h"
#include "coordinator/pml/printer.h"
#include "coordinator/pml/prompt.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/pml_checks.h"

namespace promptcache {
namespace {

constexpr std::string_view kModules =
    "r0 <module name='A'>a0 <param name='p' length='3' scaffold='x y'/> a1"
    "<module name='B'>b0 <param name='q' length='2'/></module> a2</module>"
    "<union scaffold='C'><module name='C'>c0 c1 c2 c3</module><module name='D'>d0"
    "<union><module name='E'>e0</module><module name='F'>f0 f1</module></union></module></union>"
    "<module name='G' cache='false'>g0 g1</module> r1 <scaffold modules='A A/B'/></schema>";

Layout LayoutOf(const std::string& positions, const TextEncoder& encoder) {
  const PmlSource source("schema.xml",
                         "<schema name='s' positions='" + positions + "'>" + std::string(kModules));
  Diagnostics diagnostics(source);
  const auto schema = ParseSchema(source, {}, diagnostics);
  auto layout = schema ? BuildLayout(*schema, encoder, {}, diagnostics) : std::nullopt;
  fuzz::CheckDiagnostics(diagnostics, "the fixed schema", layout.has_value());
  if (!layout) std::abort();
  return *std::move(layout);
}

}  // namespace
}  // namespace promptcache

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace promptcache;
  const PmlSource source("prompt.xml", std::string(reinterpret_cast<const char*>(data), size));
  fuzz::CheckFix(source);
  Diagnostics of_parse(source);
  const auto prompt = ParsePrompt(source, kPromptLimits, of_parse);
  fuzz::CheckDiagnostics(of_parse, "parse", prompt.has_value());
  if (!prompt) return 0;
  fuzz::CheckPrinted(*prompt, PrintPrompt, [](const PmlSource& printed, Diagnostics& errors) {
    return ParsePrompt(printed, kUnlimited, errors);
  });

  for (const char* positions : {"schema", "packed"}) {
    const auto tokenizer = MakeToyTokenizer();
    const TextEncoder encoder(*tokenizer, **FindChatTemplate("chatml", ""));
    const Layout layout = LayoutOf(positions, encoder);
    for (const uint32_t max_new_tokens : {0, 1}) {
      Diagnostics of_plan(source);
      const auto plan =
          BuildPlan(layout, encoder, *prompt, {.max_new_tokens = max_new_tokens}, of_plan);
      fuzz::CheckDiagnostics(of_plan, "plan", plan.has_value());
      if (plan && !plan->Validate().ok()) std::abort();
    }
  }
  return 0;
}

// A schema that a user registers: fixed, parsed, printed, given its files, laid out. The bytes up
// to the first NUL are the document, those behind it the text of every file that its src attributes
// name.
#include <string>
#include <vector>

#include "common/text/toy_tokenizer.h"
#include "coordinator/layout/layout.h"
#include "coordinator/pml/printer.h"
#include "coordinator/pml/schema.h"
#include "coordinator/pml/sources.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/pml_checks.h"

namespace promptcache {
namespace {

void Compile(const std::string& document, const std::string& file_text) {
  const PmlSource source("schema.xml", document);
  fuzz::CheckFix(source);
  Diagnostics diagnostics(source);
  auto schema = ParseSchema(source, {}, diagnostics);
  fuzz::CheckDiagnostics(diagnostics, "parse", schema.has_value());
  if (!schema) return;
  fuzz::CheckPrinted(*schema, PrintSchema, [](const PmlSource& printed, Diagnostics& errors) {
    return ParseSchema(printed, kUnlimited, errors);
  });

  std::vector<SourceFile> files;
  for (const std::string& path : SourcePaths(*schema)) files.push_back({path, file_text});
  AttachSources(files, {}, *schema, diagnostics);
  fuzz::CheckDiagnostics(diagnostics, "sources", diagnostics.ok());
  if (!diagnostics.ok()) return;

  const auto tokenizer = MakeToyTokenizer();
  const TextEncoder encoder(*tokenizer, **FindChatTemplate("chatml", ""));
  const auto layout = BuildLayout(*schema, encoder, {.max_tokens = 8}, diagnostics);
  fuzz::CheckDiagnostics(diagnostics, "layout", layout.has_value());
  if (!layout) return;
  for (const LayoutUnit& unit : layout->units) {
    const Recipe recipe = layout->RecipeOf(unit);
    if (!recipe.Validate().ok() || recipe.Digest() != unit.digest) std::abort();
  }
}

}  // namespace
}  // namespace promptcache

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string all(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(all.find('\0'), size);
  promptcache::Compile(all.substr(0, end), all.substr(std::min(end + 1, size)));
  return 0;
}

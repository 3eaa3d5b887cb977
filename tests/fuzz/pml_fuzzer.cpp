// A document that a user sends, read as a schema and as a prompt. What parses points into its
// source.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "coordinator/pml/prompt.h"
#include "coordinator/pml/schema.h"
#include "tests/fuzz/fuzzer.h"

namespace {

// An error must lie inside of the document and be printable.
void CheckErrors(const promptcache::Diagnostics& diagnostics, bool parsed) {
  if (parsed != diagnostics.ok()) {
    std::fprintf(stderr, "parsed and %zu errors\n", diagnostics.errors().size());
    std::abort();
  }
  for (const promptcache::Diagnostic& error : diagnostics.errors()) {
    if (error.id.empty() || error.location.line == 0 || error.location.column == 0) std::abort();
  }
  (void)diagnostics.Render();
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const promptcache::PmlSource source("f.xml",
                                      std::string(reinterpret_cast<const char*>(data), size));
  promptcache::Diagnostics of_schema(source);
  CheckErrors(of_schema, promptcache::ParseSchema(source, {}, of_schema).has_value());
  promptcache::Diagnostics of_prompt(source);
  CheckErrors(of_prompt,
              promptcache::ParsePrompt(source, promptcache::kPromptLimits, of_prompt).has_value());
  return 0;
}

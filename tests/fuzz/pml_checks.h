// What holds for every PML document, whatever its bytes.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "coordinator/pml/diagnostics.h"
#include "coordinator/pml/fix.h"

namespace promptcache::fuzz {

// A document is accepted or told why not; each error has an id of the table and lies in the
// document.
inline void CheckDiagnostics(const Diagnostics& diagnostics, std::string_view stage,
                             bool accepted) {
  const auto fail = [&](const std::string& why) {
    std::fprintf(stderr, "%s: %s\n%s\n", std::string(stage).c_str(), why.c_str(),
                 diagnostics.Render().c_str());
    std::abort();
  };
  if (accepted != diagnostics.ok()) fail("accepted and errors do not agree");
  for (const Diagnostic& error : diagnostics.errors()) {
    if (FindMessage(error.id) == nullptr) fail("an id without a message: " + error.id);
    if (error.location.line == 0 || error.location.column == 0) fail("an error without a place");
    if (error.message.empty()) fail("an error without a message");
  }
}

// What `schema fix` wrote needs no further fix.
inline void CheckFix(const PmlSource& source) {
  const FixedPml once = FixBareCharacters(source);
  const FixedPml twice = FixBareCharacters(PmlSource("fixed.xml", once.text));
  if (twice.fixes.empty() && twice.text == once.text) return;
  std::fprintf(stderr, "fixed again:\n%s\n%s\n", once.text.c_str(), twice.text.c_str());
  std::abort();
}

// What is printed parses, without an error, to a tree that prints the same. `parse(source,
// diagnostics)` gives the tree or nullopt.
template <typename Document, typename Print, typename Parse>
void CheckPrinted(const Document& document, const Print& print, const Parse& parse) {
  const std::string once = print(document);
  const PmlSource source("printed.xml", once);
  Diagnostics diagnostics(source);
  const auto again = parse(source, diagnostics);
  CheckDiagnostics(diagnostics, "what was printed", again.has_value());
  const std::string twice = again ? print(*again) : diagnostics.Render();
  if (once == twice) return;
  std::fprintf(stderr, "printed:\n%s\nand again:\n%s\n", once.c_str(), twice.c_str());
  std::abort();
}

}  // namespace promptcache::fuzz

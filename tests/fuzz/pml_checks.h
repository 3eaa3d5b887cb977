// What holds for every PML document, whatever its bytes.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "coordinator/pml/diagnostics.h"

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

}  // namespace promptcache::fuzz

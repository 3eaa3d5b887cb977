// A prompt as a checked tree: references with arguments, and the texts between them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/status.h"
#include "coordinator/pml/xml_tree.h"

namespace promptcache {

struct PromptArgument {
  std::string name;
  std::string value;
  size_t offset = 0;
};

// A module that the prompt imports.
struct PromptReference {
  std::string name;
  std::vector<PromptArgument> arguments;
  std::vector<PromptReference> children;
  size_t offset = 0;
};

// A text of the prompt that is not blank.
struct PromptText {
  XmlText text;
  // Index of the top-level reference it follows; nullopt: the prompt has none.
  std::optional<size_t> after;
};

struct PromptDocument {
  size_t offset = 0;         // of its root
  size_t schema_offset = 0;  // of the attribute
  std::string schema;        // name
  std::string version;       // empty: the current one
  std::vector<PromptReference> references;
  std::vector<PromptText> texts;  // in order; at most one after each reference
};

// nullopt when `diagnostics` got errors. Whether the modules exist is checked when the plan is
// built. Pure; thread safe.
std::optional<PromptDocument> ParsePrompt(const PmlSource& source, const PmlLimits& limits,
                                          Diagnostics& diagnostics);
// The same; kInvalidArgument with every error, compiler style.
Result<PromptDocument> ParsePrompt(const PmlSource& source,
                                   const PmlLimits& limits = kPromptLimits);

}  // namespace promptcache

// Random trees, as a parser could have made them, for properties of rapidcheck.
#pragma once

#include <string>

#include "coordinator/pml/prompt.h"
#include "coordinator/pml/schema.h"

namespace promptcache::testing {

// Every element and attribute, texts with every kind of white space at their edges, references,
// CDATA, markers and what looks like them. To be called inside a property: shrinks with it.
SchemaDocument AnySchema();
PromptDocument AnyPrompt();

// The whole tree but its offsets, a line for each thing: equal for equal trees.
std::string Dump(const SchemaDocument& document);
std::string Dump(const PromptDocument& document);

}  // namespace promptcache::testing

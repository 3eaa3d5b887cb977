// Trees back to PML text. Parsing what is printed gives the same tree: every character is written
// so that it is treated as it was, white space that was not literal as a character reference.
#pragma once

#include <string>

#include "coordinator/pml/prompt.h"
#include "coordinator/pml/schema.h"

namespace promptcache {

std::string PrintSchema(const SchemaDocument& document);
std::string PrintPrompt(const PromptDocument& document);

}  // namespace promptcache

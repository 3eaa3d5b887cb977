// The documents that `promptcache bench pml` compiles: made from nothing but a seed, all within the
// limits of a schema.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"

namespace promptcache {

// A schema and a prompt for it.
struct PersonaWorkload {
  std::string schema;
  std::string prompt;  // six references, of which the last has two arguments, and a question
  std::vector<std::string> new_texts;  // that are tokenized for the prompt: arguments and question
};

// About 32 kB: traits of a person, each a union of long descriptions.
PersonaWorkload MakePersona();
// The same prompt for a document with at least five modules at its top, each with a union: a module
// with two parameters is added to it. kInvalidArgument when it is no such schema.
Result<PersonaWorkload> PersonaOf(const std::string& document);
// The largest file below `directory` whose name has "persona_long" in it. kNotFound without one.
Result<PersonaWorkload> ReadPersona(const std::string& directory);

// One text of `bytes` bytes in all.
std::string TextDocument(size_t bytes);
// Tags only, `bytes` bytes or a little less: modules without text.
std::string TagsDocument(size_t bytes);
// Modules with some text in each, nested `depth` deep in one another, again and again: the same
// number of modules and the same bytes whatever the depth. REQUIRES: depth >= 1.
std::string NestedDocument(size_t modules, size_t depth);
// Modules of one word, with a line break between each two, which is a run of the schema: with the
// schema's own, so many units.
std::string UnitsDocument(size_t units);

}  // namespace promptcache

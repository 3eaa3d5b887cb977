// A schema as a checked tree: names unique, attributes known, everything in its place. No tokens
// yet.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/status.h"
#include "common/types.h"
#include "coordinator/pml/source.h"
#include "coordinator/pml/xml_tree.h"

namespace promptcache {

// How white space of schema text is treated (design of PML, section 2).
enum class Whitespace : uint8_t { kReference, kIndent, kPreserve };

struct SchemaParam {
  std::string name;
  uint32_t length = 0;  // tokens
  size_t offset = 0;
};

struct SchemaContainer;

struct SchemaUnion {
  std::vector<std::unique_ptr<SchemaContainer>> members;
  std::string scaffold;  // name of the default member, or empty
  size_t offset = 0;
};

using SchemaChild =
    std::variant<XmlText, SchemaParam, std::unique_ptr<SchemaContainer>, SchemaUnion>;

// The schema itself or one module.
struct SchemaContainer {
  std::string name;
  bool cached = true;
  std::string description;
  std::vector<SchemaChild> children;
  size_t offset = 0;
};

struct SchemaDocument {
  SchemaContainer root;
  Whitespace whitespace = Whitespace::kReference;
  EncodingMode encoding = EncodingMode::kAnchored;  // or kIndependent
};

// kInvalidArgument with every error, compiler style, when the document is not a valid schema.
// Pure; thread safe.
Result<SchemaDocument> ParseSchema(const PmlSource& source, const PmlLimits& limits = {});

}  // namespace promptcache

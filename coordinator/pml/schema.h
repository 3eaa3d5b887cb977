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
#include "coordinator/pml/xml_tree.h"

namespace promptcache {

// How white space of schema text is treated (design of PML, section 2).
enum class Whitespace : uint8_t { kReference, kIndent, kPreserve };

// What decides where a token stands in a plan.
enum class Positions : uint8_t {
  kSchema,  // the schema, absent modules leaving gaps
  kPacked   // only the tokens that are present
};

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
  Positions positions = Positions::kSchema;
  EncodingMode encoding = EncodingMode::kAnchored;  // or kIndependent
};

// nullopt when `diagnostics` got errors. Pure; thread safe.
std::optional<SchemaDocument> ParseSchema(const PmlSource& source, const PmlLimits& limits,
                                          Diagnostics& diagnostics);
// The same; kInvalidArgument with every error, compiler style.
Result<SchemaDocument> ParseSchema(const PmlSource& source, const PmlLimits& limits = {});

}  // namespace promptcache

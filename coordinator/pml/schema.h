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
  uint32_t length = 0;                  // tokens
  std::optional<std::string> scaffold;  // stands in the slot while what follows is encoded
  size_t offset = 0;
  size_t scaffold_offset = 0;
};

// Where a container's first text comes from: a file beside the schema.
struct SchemaSource {
  std::string path;  // as written; no absolute path, no ".."
  XmlText text;      // filled in by AttachSources (sources.h); literal, without a role marker
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
  Lifetime lifetime;  // its own or its container's
  std::string description;
  std::optional<SchemaSource> src;
  std::vector<SchemaChild> children;
  size_t offset = 0;
};

// Modules that are encoded together, used when all of them are imported.
struct SchemaSet {
  std::vector<std::string> members;  // paths ("a/b"), two or more, as written
  size_t offset = 0;
};

struct SchemaDocument {
  SchemaContainer root;
  std::vector<SchemaSet> sets;  // in document order
  Whitespace whitespace = Whitespace::kReference;
  Positions positions = Positions::kSchema;
  EncodingMode encoding = EncodingMode::kAnchored;  // or kIndependent, kSchema
};

// nullopt when `diagnostics` got errors. Pure; thread safe.
std::optional<SchemaDocument> ParseSchema(const PmlSource& source, const PmlLimits& limits,
                                          Diagnostics& diagnostics);
// The same; kInvalidArgument with every error, compiler style.
Result<SchemaDocument> ParseSchema(const PmlSource& source, const PmlLimits& limits = {});

}  // namespace promptcache

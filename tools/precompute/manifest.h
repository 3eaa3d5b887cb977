// What `promptcache precompute` is to encode: the manifest. README.md documents its format.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cachestore/format/compression.h"
#include "common/recipe.h"
#include "common/status.h"
#include "coordinator/pml/schema.h"

namespace promptcache {

struct ManifestModel {
  std::string name;  // how schemas refer to it
  std::string path;  // GGUF file or Hugging Face directory
  std::string dtype = "auto";
  std::string chat_template = "auto";  // as FindChatTemplate takes it
  Compression compression;
};

// Empty lists: what the document says.
struct ManifestSchema {
  std::string file;
  std::string src_root;             // of its src attributes; empty: the file's folder
  uint32_t max_tokens = 0;          // option of registration; 0: no truncation
  std::vector<std::string> models;  // by name; empty: all
  std::vector<EncodingMode> encodings;
  std::vector<Positions> positions;
  std::map<std::string, std::string> scaffolds;  // texts of slots, by "module/path/parameter"
};

struct Manifest {
  std::vector<ManifestModel> models;
  std::vector<ManifestSchema> schemas;
};

// `file` is named in messages; relative paths are below its folder. kInvalidArgument with file and
// line: not TOML, an unknown key (with the nearest known one), a value of another kind or beyond a
// limit, a model that is not declared or declared twice, no schema.
Result<Manifest> ParseManifest(std::string_view toml, const std::string& file);
// At most 1 MiB; kNotFound or kUnavailable when the file cannot be read.
Result<Manifest> ReadManifest(const std::string& path);

}  // namespace promptcache

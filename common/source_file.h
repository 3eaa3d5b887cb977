// A file that comes with a schema because a src names it.
#pragma once

#include <string>

namespace promptcache {

struct SourceFile {
  std::string path;  // as the schema's src writes it
  std::string text;  // its bytes
  bool operator==(const SourceFile&) const = default;
};

}  // namespace promptcache

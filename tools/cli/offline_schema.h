// A schema that a command reads and compiles by itself.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cluster/wire/messages.h"
#include "coordinator/layout/layout.h"
#include "tools/cli/front_end.h"

namespace promptcache {

// Where a schema is read from.
struct SchemaPath {
  std::string file;      // - for standard input
  std::string src_root;  // of its src attributes; empty: the file's folder
};

// What is wrong with the document is in diagnostics(): each step does nothing once there are
// errors.
class OfflineSchema {
 public:
  // kNotFound or kUnavailable when the file itself cannot be read.
  static Result<std::unique_ptr<OfflineSchema>> Read(const SchemaPath& path,
                                                     const PmlLimits& limits);
  // A registered one, with its files.
  static std::unique_ptr<OfflineSchema> Of(const SchemaInfo& info, const PmlLimits& limits);

  void LayOut(const FrontEnd& front, uint32_t max_tokens);

  const PmlSource& source() const { return source_; }
  Diagnostics& diagnostics() { return diagnostics_; }
  bool ok() const { return diagnostics_.ok(); }
  const SchemaDocument& document() const { return *document_; }  // REQUIRES: ok()
  const Layout& layout() const { return *layout_; }              // REQUIRES: ok(), laid out
  SchemaAdd ToAdd(uint32_t max_tokens) const;

 private:
  OfflineSchema(std::string file, std::string text, const PmlLimits& limits);
  void Attach();

  const PmlLimits limits_;
  const PmlSource source_;
  Diagnostics diagnostics_;
  std::optional<SchemaDocument> document_;
  std::vector<SourceFile> files_;
  std::optional<Layout> layout_;
};

// What to register: the document with the files it names. kInvalidArgument with the document's
// errors, compiler style.
Result<SchemaAdd> ReadSchemaAdd(const SchemaPath& path, const PmlLimits& limits = {});

}  // namespace promptcache

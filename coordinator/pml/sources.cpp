#include "coordinator/pml/sources.h"

#include <algorithm>
#include <map>
#include <set>

#include "common/text/utf8.h"
#include "coordinator/pml/names.h"

namespace promptcache {
namespace {

constexpr size_t kMaxPathBytes = 4096;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::vector<std::string_view> NamesOf(std::string_view path) {
  std::vector<std::string_view> names;
  for (;;) {
    const size_t slash = std::min(path.find('/'), path.size());
    names.push_back(path.substr(0, slash));
    if (slash == path.size()) return names;
    path.remove_prefix(slash + 1);
  }
}

// The containers around one, from the schema on.
using Way = std::vector<const SchemaContainer*>;

// Calls `visit` with every container that has a src, in document order, and the way to it.
template <typename Container, typename Visit>
void ForEachSource(Container& container, Way& way, const Visit& visit) {
  if (container.src) visit(container, way);
  way.push_back(&container);
  for (auto& child : container.children) {
    if (auto* module = std::get_if<std::unique_ptr<SchemaContainer>>(&child)) {
      ForEachSource(**module, way, visit);
    } else if (auto* group = std::get_if<SchemaUnion>(&child)) {
      for (auto& member : group->members) ForEachSource(*member, way, visit);
    }
  }
  way.pop_back();
}

std::string WhereIs(const SchemaContainer& container, const Way& way) {
  std::string path;
  for (const SchemaContainer* one : way) path += (path.empty() ? "" : "/") + one->name;
  return ElementPlace(way.empty() ? "schema" : "module", container.name, path);
}

class SourceAttacher {
 public:
  SourceAttacher(const PmlLimits& limits, SchemaDocument& document, Diagnostics& diagnostics)
      : limits_(limits), document_(document), diagnostics_(diagnostics) {}

  void Attach(const std::vector<SourceFile>& files) {
    for (const SourceFile& file : files) AddFile(file);
    if (!CheckSize()) return;
    Way way;
    ForEachSource(document_.root, way, [&](SchemaContainer& container, const Way& around) {
      AttachTo(container, around);
    });
    for (const auto& [path, given] : files_) {
      if (!given.used) ReportUnused(path, "no src names it");
    }
  }

 private:
  struct Given {
    std::string_view text;
    size_t first_invalid = 0;  // text.size() when there is none
    bool used = false;
  };

  void AddFile(const SourceFile& file) {
    std::string_view text = file.text;
    const size_t first_invalid = FirstInvalidUtf8(text);
    if (!files_.emplace(file.path, Given{text, first_invalid}).second) {
      ReportUnused(file.path, "another file has the same path");
    }
  }

  void ReportUnused(std::string_view path, std::string_view why) {
    diagnostics_.Report(document_.root.offset, PmlId::kSourceUnused, Quoted(path), why);
  }

  // A file counts as often as it is named: each time its text becomes part of the schema.
  bool CheckSize() {
    uint64_t bytes = diagnostics_.source().text().size();
    Way way;
    ForEachSource(document_.root, way, [&](const SchemaContainer& container, const Way& /*way*/) {
      const auto given = files_.find(container.src->path);
      if (given != files_.end()) bytes += given->second.text.size();
    });
    if (bytes <= limits_.document_bytes) return true;
    diagnostics_.Report(document_.root.offset, PmlId::kLimitSources, bytes, limits_.document_bytes);
    return false;
  }

  void AttachTo(SchemaContainer& container, const Way& way) {
    SchemaSource& src = *container.src;
    const auto found = files_.find(src.path);
    if (found == files_.end()) {
      diagnostics_.Report(src.offset, PmlId::kSourceMissing, WhereIs(container, way),
                          Quoted(src.path), HintFor(src.path));
      return;
    }
    Given& given = found->second;
    given.used = true;
    if (given.first_invalid < given.text.size()) {
      diagnostics_.Report(src.offset, PmlId::kSourceNotUtf8, WhereIs(container, way),
                          Quoted(src.path), given.first_invalid);
      return;
    }
    std::string_view text = given.text;
    if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    src.text = {};
    src.text.AppendLiteral(text, src.offset);
  }

  std::string HintFor(const std::string& path) const {
    if (diagnostics_.full()) return "";
    std::vector<std::string> known;
    for (const auto& [given, unused] : files_) known.emplace_back(given);
    return DidYouMean(path, known);
  }

  const PmlLimits& limits_;
  SchemaDocument& document_;
  Diagnostics& diagnostics_;
  std::map<std::string_view, Given> files_;
};

}  // namespace

std::vector<std::string> SourcePaths(const SchemaDocument& document) {
  std::vector<std::string> paths;
  std::set<std::string_view> known;
  Way way;
  ForEachSource(document.root, way, [&](const SchemaContainer& container, const Way& /*way*/) {
    if (known.insert(container.src->path).second) paths.push_back(container.src->path);
  });
  return paths;
}

void ReportSource(const SchemaDocument& document, std::string_view path, const std::string& why,
                  Diagnostics& diagnostics) {
  Way way;
  ForEachSource(document.root, way, [&](const SchemaContainer& container, const Way& around) {
    if (container.src->path != path) return;
    diagnostics.Report(container.src->offset, PmlId::kSourcePath, WhereIs(container, around),
                       Quoted(path), why);
  });
}

bool LeavesItsFolder(std::string_view path) {
  const auto names = NamesOf(path);
  return path.starts_with('/') || std::find(names.begin(), names.end(), "..") != names.end();
}

std::string WhyNotASourcePath(std::string_view path) {
  if (path.empty()) return "the path is empty";
  if (path.size() > kMaxPathBytes) {
    return "the path has " + std::to_string(path.size()) + " bytes; the limit is " +
           std::to_string(kMaxPathBytes);
  }
  if (LeavesItsFolder(path)) return "the path leaves the schema's folder";
  if (path.find('\\') != std::string_view::npos) return "names in a path have '/' between them";
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
  if (std::any_of(path.begin(), path.end(), is_control)) {
    return "the path has a control character";
  }
  const auto names = NamesOf(path);
  const bool plain = std::none_of(names.begin(), names.end(), [](std::string_view name) {
    return name.empty() || name == ".";
  });
  return plain ? "" : "the path has an empty name or '.'";
}

void AttachSources(const std::vector<SourceFile>& files, const PmlLimits& limits,
                   SchemaDocument& document, Diagnostics& diagnostics) {
  SourceAttacher(limits, document, diagnostics).Attach(files);
}

}  // namespace promptcache

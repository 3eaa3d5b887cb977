#include "tools/bench/pml_workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "coordinator/pml/schema.h"
#include "tools/bench/words.h"

namespace promptcache {
namespace {

constexpr char kName[] = "Margaret Ashworth";
constexpr char kCity[] = "Newcastle upon Tyne";
constexpr char kQuestion[] = "What would this person like to do on a free day in spring, and why?";
constexpr char kVisitor[] =
    "<module name=\"bench-visitor\">They are called <param name=\"name\" length=\"16\"/> and live "
    "in <param name=\"city\" length=\"16\"/>.</module>\n";
constexpr size_t kChosen = 5;  // references beside the visitor's

std::string Words(uint64_t seed, size_t bytes) {
  std::string text;
  for (uint32_t i = 0; text.size() < bytes; ++i) text += BenchWord(seed, i) + " ";
  return text;
}

// The first union's last member: "<age><old/></age>"; empty when there is no union.
std::string ReferenceTo(const SchemaContainer& container) {
  for (const SchemaChild& child : container.children) {
    if (const auto* one = std::get_if<SchemaUnion>(&child)) {
      return fmt::format("<{0}><{1}/></{0}>", container.name, one->members.back()->name);
    }
  }
  return "";
}

std::string ReferencesInto(const SchemaDocument& document) {
  std::string references;
  size_t chosen = 0;
  for (const SchemaChild& child : document.root.children) {
    const auto* module = std::get_if<std::unique_ptr<SchemaContainer>>(&child);
    const std::string reference = module == nullptr ? "" : ReferenceTo(**module);
    if (reference.empty()) continue;
    references += reference;
    if (++chosen == kChosen) return references;
  }
  return "";
}

}  // namespace

PersonaWorkload MakePersona() {
  constexpr const char* kTraits[] = {"age",        "residence",   "education",
                                     "occupation", "personality", "health"};
  constexpr uint64_t kMembers = 8;
  std::string document =
      "<schema name=\"persona\">\n<system>" + Words(1, 500) + "</system>\n<user>";
  for (uint64_t t = 0; t < std::size(kTraits); ++t) {
    document += fmt::format("\n<module name=\"{}\">\n  <union>\n", kTraits[t]);
    for (uint64_t m = 0; m < kMembers; ++m) {
      document += fmt::format("    <module name=\"kind{}\">\n      {}\n    </module>\n", m,
                              Words(100 * t + m + 2, 580));
    }
    document += "  </union>\n</module>";
  }
  return PersonaOf(document + "\n</user>\n</schema>\n").value();
}

Result<PersonaWorkload> PersonaOf(const std::string& document) {
  const size_t end = document.rfind("</schema>");
  if (end == std::string::npos) return InvalidArgument("the persona document is no schema");
  std::string schema = document;
  schema.insert(end, kVisitor);
  PC_ASSIGN_OR_RETURN(const SchemaDocument parsed, ParseSchema(PmlSource("persona.xml", schema)));
  const std::string references = ReferencesInto(parsed);
  if (references.empty()) {
    return InvalidArgument("the persona schema has fewer than five modules with a union");
  }
  return PersonaWorkload{
      .schema = std::move(schema),
      .prompt =
          fmt::format("<prompt schema=\"{}\">{}<bench-visitor name=\"{}\" city=\"{}\"/>{}</prompt>",
                      parsed.root.name, references, kName, kCity, kQuestion),
      .new_texts = {kName, kCity, kQuestion}};
}

Result<PersonaWorkload> ReadPersona(const std::string& directory) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path largest;
  uintmax_t bytes = 0;
  for (fs::recursive_directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    const bool wanted = at->path().filename().string().find("persona_long") != std::string::npos;
    if (!wanted || !at->is_regular_file(error) || at->file_size(error) <= bytes) continue;
    largest = at->path();
    bytes = at->file_size(error);
  }
  std::ifstream file(largest, std::ios::binary);
  if (!file)
    return NotFound("no readable file below " + directory + " has persona_long in its name");
  return PersonaOf({std::istreambuf_iterator<char>(file), {}});
}

std::string TextDocument(size_t bytes) {
  constexpr std::string_view kOpen = "<schema name='text'>";
  constexpr std::string_view kClose = "</schema>";
  constexpr std::string_view kLine =
      "Everything here is text, cut into lines of a page's width, &amp; nothing of it is markup.\n";
  std::string document(kOpen);
  document.reserve(bytes);
  while (document.size() + kLine.size() + kClose.size() <= bytes) document += kLine;
  document.append(bytes - document.size() - kClose.size(), 'x');
  return document.append(kClose);
}

std::string TagsDocument(size_t bytes) {
  std::string document = "<schema name='tags'>";
  for (size_t m = 0; document.size() + 40 < bytes; ++m) {
    document += fmt::format("<module name='m{}'/>", m);
  }
  return document + "</schema>";
}

std::string NestedDocument(size_t modules, size_t depth) {
  std::string document = "<schema name='nested'>";
  for (size_t m = 0; m < modules; ++m) {
    document += fmt::format("<module name='m{:06}'>{:.80}", m, Words(m % 100, 80));
    const bool deepest = (m + 1) % depth == 0 || m + 1 == modules;
    for (size_t open = m % depth + 1; deepest && open > 0; --open) document += "</module>";
  }
  return document + "</schema>";
}

std::string UnitsDocument(size_t units) {
  std::string document = "<schema name='units'>";
  for (size_t m = 1; m < units; ++m) {
    document += fmt::format("\n<module name='m{:06}'>word</module>", m);
  }
  return document + "</schema>";
}

}  // namespace promptcache

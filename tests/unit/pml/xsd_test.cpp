// The XSD for editors: it takes the examples, refuses what is wrong, and says what the compiler's
// table of attributes says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>

#include "coordinator/pml/attributes.h"
#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache::testing {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = PROMPTCACHE_PML_DIRECTORY;

// Whether xmllint finds the file valid; what it says in `said`.
bool IsValid(const fs::path& file, std::string& said) {
  const std::string command = std::string(PROMPTCACHE_XMLLINT) + " --nonet --noout --schema '" +
                              (kFolder / "pml.xsd").string() + "' '" + file.string() + "' 2>&1";
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return false;
  char block[4096];
  said.clear();
  while (const size_t got = std::fread(block, 1, sizeof(block), pipe)) said.append(block, got);
  const int status = ::pclose(pipe);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(Xsd, TakesEveryExample) {
  size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(kFolder / "examples")) {
    if (entry.path().extension() != ".xml") continue;
    std::string said;
    EXPECT_TRUE(IsValid(entry.path(), said)) << said;
    ++files;
  }
  EXPECT_GE(files, 4U);
}

TEST(Xsd, RefusesWhatTheCompilerRefuses) {
  const TempDir directory;
  const fs::path file = directory.path() / "s.xml";
  for (const char* wrong :
       {"<schema/>", "<schema name='2nd'/>", "<schema name='s' colour='red'/>",
        "<schema name='s' positions='loose'/>", "<schema name='s'><modul name='A'/></schema>",
        "<schema name='s'><module/></schema>",
        "<schema name='s'><param name='p' len='1'/></schema>",
        "<schema name='s'><module name='A'><param name='p' len='0'/></module></schema>",
        "<schema name='s'><union>text</union></schema>",
        "<schema name='s'><module name='A' cache='no'/></schema>",
        "<schema name='s'><module name='A' ttl='1 day'/></schema>",
        "<schema name='s'><module name='A'/><scaffold modules='A'/></schema>",
        "<prompt>text</prompt>", "<prompt schema='s' x='1'>text</prompt>"}) {
    std::ofstream(file) << wrong;
    std::string said;
    EXPECT_FALSE(IsValid(file, said)) << wrong;
  }
}

TEST(Xsd, TakesRoleMarkersWhereTheyAreBalanced) {
  const TempDir directory;
  const fs::path file = directory.path() / "s.xml";
  for (const char* right :
       {"<schema name='s'><system>a<module name='A'>b</module></system><user>c</user></schema>",
        "<schema name='s'><system/><module name='A'>a<user>b</user></module></schema>",
        "<prompt schema='s@0123456789abcdef'><A p='1'><B/></A><user>q</user></prompt>"}) {
    std::ofstream(file) << right;
    std::string said;
    EXPECT_TRUE(IsValid(file, said)) << right << said;
  }
}

// "schema name: name required"
std::string Line(const std::string& element, const std::string& attribute, const std::string& type,
                 bool required) {
  return element + " " + attribute + ": " + type + (required ? " required" : "");
}

std::string TypeOf(const AttributeRow& row) {
  switch (row.kind) {
    case AttributeKind::kName:
      return "name";
    case AttributeKind::kText:
      return "xs:string";
    case AttributeKind::kPath:
      return "path";
    case AttributeKind::kPaths:
      return "paths";
    case AttributeKind::kTokens:
      return "tokens";
    case AttributeKind::kFlag:
      return "flag";
    case AttributeKind::kDuration:
      return "duration";
    case AttributeKind::kChoice:
      break;
  }
  return std::string(row.name);
}

// What the file declares: attributes by Line(), values by the name of their type.
struct Declared {
  std::vector<std::string> attributes;
  std::map<std::string, std::vector<std::string>> values;
};

Declared ReadXsd() {
  static const std::regex kType("<xs:(complex|simple)Type name=\"(\\w+)\"");
  static const std::regex kAttribute(
      "<xs:attribute name=\"(\\w+)\" type=\"([\\w:]+)\"( use=\"required\")?");
  static const std::regex kValue("<xs:enumeration value=\"(\\w+)\"");
  Declared declared;
  std::ifstream file(kFolder / "pml.xsd");
  std::string type;
  for (std::string line; std::getline(file, line);) {
    std::smatch match;
    if (std::regex_search(line, match, kType)) type = match[2];
    if (std::regex_search(line, match, kValue)) declared.values[type].push_back(match[1]);
    if (std::regex_search(line, match, kAttribute)) {
      declared.attributes.push_back(Line(type, match[1], match[2], match[3].matched));
    }
  }
  return declared;
}

TEST(Xsd, HasTheAttributesOfTheTableAndNoOthers) {
  std::vector<std::string> expected;
  for (const AttributeRow& row : SchemaAttributes()) {
    expected.push_back(Line(std::string(row.element), std::string(row.name), TypeOf(row),
                            row.presence == Presence::kRequired));
  }
  EXPECT_THAT(ReadXsd().attributes, ::testing::UnorderedElementsAreArray(expected));
}

TEST(Xsd, HasTheValuesOfTheTable) {
  Declared declared = ReadXsd();
  for (const AttributeRow& row : SchemaAttributes()) {
    if (row.kind != AttributeKind::kChoice) continue;
    EXPECT_THAT(declared.values[std::string(row.name)],
                ::testing::ElementsAreArray(
                    std::vector<std::string>(row.choices.begin(), row.choices.end())));
  }
  EXPECT_THAT(declared.values["flag"], ::testing::ElementsAre("true", "false"));
}

}  // namespace
}  // namespace promptcache::testing

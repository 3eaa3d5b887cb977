// Attributes of a schema: the table, the syntax of values, and what they mean in the tree.
#include "coordinator/pml/attributes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tests/unit/pml/parsed.h"

namespace promptcache {
namespace {

using ::testing::ElementsAre;
using testing::ExpectSchemaError;
using ::testing::IsEmpty;
using testing::ModuleOf;
using testing::SchemaErrors;
using testing::SchemaOf;

constexpr uint64_t kMinute = 60'000;

// A value that the attribute takes.
std::string Good(const AttributeRow& row) {
  switch (row.kind) {
    case AttributeKind::kName:
    case AttributeKind::kText:
      return row.element == "union" ? "A" : "x";
    case AttributeKind::kPath:
      return "a/b.txt";
    case AttributeKind::kPaths:
      return "A B";
    case AttributeKind::kTokens:
      return "3";
    case AttributeKind::kFlag:
      return "true";
    case AttributeKind::kDuration:
      return "7d";
    case AttributeKind::kChoice:
      break;
  }
  return std::string(row.choices.back());
}

// A schema with an element that has exactly these attributes; the element begins a line.
std::string With(std::string_view element, const std::string& attributes) {
  const std::string open = "\n<" + std::string(element) + attributes;
  if (element == "schema") return open.substr(1) + "/>";
  const std::string content = element == "union" ? "><module name='A'/></union>" : "/>";
  if (element == "param")
    return "<schema name='s'><module name='M'>" + open + "/></module></schema>";
  return "<schema name='s'><module name='B'/>" +
         std::string(element == "union" ? "" : "<module name='A'/>") + open + content + "</schema>";
}

// The attributes that the element needs beside `name`.
std::string Others(const AttributeRow& row) {
  std::string others;
  for (const AttributeRow& other : SchemaAttributes()) {
    if (other.element != row.element || other.name == row.name) continue;
    const bool is_length = other.name == "length" && row.name != "len";
    if (other.presence == Presence::kRequired || is_length) {
      others += " " + std::string(other.name) + "='" + Good(other) + "'";
    }
  }
  return others;
}

TEST(Attributes, EachOfTheTableIsReadAndAnyOtherIsNot) {
  for (const AttributeRow& row : SchemaAttributes()) {
    SCOPED_TRACE(std::string(row.element) + " " + std::string(row.name));
    const std::string name(row.name);
    const std::string value = "='" + Good(row) + "'";
    EXPECT_THAT(SchemaErrors(With(row.element, Others(row) + " " + name + value)), IsEmpty());
    EXPECT_THAT(SchemaErrors(With(row.element, Others(row) + " " + name + "x" + value)),
                ::testing::Contains(::testing::StartsWith("PML0205")));
  }
}

TEST(Attributes, RequiredOnesAreMissed) {
  for (const AttributeRow& row : SchemaAttributes()) {
    SCOPED_TRACE(std::string(row.element) + " " + std::string(row.name));
    const auto errors = SchemaErrors(With(row.element, Others(row)));
    if (row.presence == Presence::kRequired) {
      EXPECT_THAT(errors, ::testing::Contains(::testing::StartsWith("PML0206")));
    } else if (row.name != "length") {
      EXPECT_THAT(errors, ::testing::Not(::testing::Contains(::testing::StartsWith("PML0206"))));
    }
  }
}

TEST(Attributes, OtherSpellingsOfAValueAreRefused) {
  for (const AttributeRow& row : SchemaAttributes()) {
    if (row.kind == AttributeKind::kText) continue;
    SCOPED_TRACE(std::string(row.element) + " " + std::string(row.name));
    for (const char* wrong : {"", " ", "TRUE", "\xC2\xA0", "a//b", "-1"}) {
      if (row.kind == AttributeKind::kName && std::string(wrong) == "TRUE") continue;
      if (row.kind == AttributeKind::kPath && std::string(wrong).find('/') == std::string::npos) {
        continue;
      }
      const std::string attribute = " " + std::string(row.name) + "='" + wrong + "'";
      EXPECT_THAT(SchemaErrors(With(row.element, attribute + Others(row))),
                  ::testing::Not(IsEmpty()))
          << "'" << wrong << "'";
    }
  }
}

TEST(Attributes, WrongValuesAreToldWhatIsRight) {
  for (const testing::ErrorCase& one : std::vector<testing::ErrorCase>{
           {"<schema name='s' whitespace='none'/>", 1, 18, "PML0207",
            "whitespace 'none' is not one of reference, indent, preserve"},
           {"<schema name='s' encoding='paper'/>", 1, 18, "PML0207",
            "not one of anchored, independent, schema"},
           {"<schema name='s' positions='tight'/>", 1, 18, "PML0207", "not one of schema, packed"},
           {"<schema name='s' pin='yes'/>", 1, 18, "PML0207", "not one of true, false"},
           {"<schema name='s' ttl='90s'/>", 1, 18, "PML0207",
            "ttl '90s' is not a time from 1m to 36500d such as 30m, 24h or 7d"},
           {"<schema name='s'><module name='A' cache='True'/></schema>", 1, 35, "PML0207",
            "<module name='A'> in 's': cache 'True' is not one of true, false"},
           {"<schema name='s'><scaffold modules='a, b'/></schema>", 1, 28, "PML0207",
            "not a list of module paths such as 'a b/c'"},
       }) {
    ExpectSchemaError(one);
  }
}

TEST(Attributes, TimesAreMinutesHoursAndDays) {
  EXPECT_EQ(ParseDurationMs("30m"), 30 * kMinute);
  EXPECT_EQ(ParseDurationMs("24h"), 24 * 60 * kMinute);
  EXPECT_EQ(ParseDurationMs("7d"), 7 * 24 * 60 * kMinute);
  EXPECT_EQ(ParseDurationMs("36500d"), 36'500ULL * 24 * 60 * kMinute);
  for (const char* wrong :
       {"", "m", "0m", "-1m", "+1m", "1", "1s", "1 m", " 1m", "1M", "1.5h", "36501d", "876001h",
        "18446744073709551615d", "18446744073709551616m", "1mm"}) {
    EXPECT_EQ(ParseDurationMs(wrong), std::nullopt) << wrong;
  }
}

TEST(Attributes, PathsOfModulesAreSeparatedByWhiteSpace) {
  EXPECT_THAT(*ParseModulePaths(" a  b/c\n\td.e "), ElementsAre("a", "b/c", "d.e"));
  EXPECT_THAT(*ParseModulePaths(""), IsEmpty());
  for (const char* wrong : {"a,b", "/a", "a/", "a//b", "user a", "a/user",
                            "a\xC2\xA0"
                            "b"}) {
    EXPECT_EQ(ParseModulePaths(wrong), std::nullopt) << wrong;
  }
}

TEST(Attributes, ASchemaHasItsChoicesAndDefaults) {
  const SchemaDocument plain = SchemaOf("<schema name='s'/>");
  EXPECT_EQ(plain.whitespace, Whitespace::kReference);
  EXPECT_EQ(plain.positions, Positions::kSchema);
  EXPECT_EQ(plain.encoding, EncodingMode::kAnchored);
  const SchemaDocument chosen =
      SchemaOf("<schema name='s' whitespace='preserve' positions='packed' encoding='schema'/>");
  EXPECT_EQ(chosen.whitespace, Whitespace::kPreserve);
  EXPECT_EQ(chosen.positions, Positions::kPacked);
  EXPECT_EQ(chosen.encoding, EncodingMode::kSchema);
  EXPECT_EQ(SchemaOf("<schema name='s' whitespace='indent'/>").whitespace, Whitespace::kIndent);
  EXPECT_EQ(SchemaOf("<schema name='s' encoding='independent'/>").encoding,
            EncodingMode::kIndependent);
}

TEST(Attributes, LifetimesAreInheritedAndOverridden) {
  const SchemaDocument schema = SchemaOf(
      "<schema name='s' ttl='30m'><module name='A' pin='true'><union><module name='B' ttl='1h'>"
      "<module name='C' pin='false'/></module></union></module><module name='D'/></schema>");
  EXPECT_EQ(schema.root.lifetime, (Lifetime{30 * kMinute, false}));
  EXPECT_EQ(ModuleOf(schema, "A").lifetime, (Lifetime{30 * kMinute, true}));
  EXPECT_EQ(ModuleOf(schema, "A/B").lifetime, (Lifetime{60 * kMinute, true}));
  EXPECT_EQ(ModuleOf(schema, "A/B/C").lifetime, (Lifetime{60 * kMinute, false}));
  EXPECT_EQ(ModuleOf(schema, "D").lifetime, (Lifetime{30 * kMinute, false}));
  EXPECT_EQ(SchemaOf("<schema name='s'/>").root.lifetime, Lifetime());
}

TEST(Attributes, AParametersScaffoldIsKeptAsWritten) {
  const SchemaDocument schema = SchemaOf(
      "<schema name='s'><module name='M'><param name='p' len='3' scaffold=' x&#10;&lt;user>'/>"
      "<param name='q' len='3' scaffold=''/><param name='r' len='3'/></module></schema>");
  const auto& children = ModuleOf(schema, "M").children;
  const auto& with_text = std::get<SchemaParam>(children.at(0));
  EXPECT_EQ(with_text.scaffold, " x\n<user>");
  EXPECT_EQ(with_text.scaffold_offset, 58U);
  EXPECT_EQ(std::get<SchemaParam>(children.at(1)).scaffold, "");
  EXPECT_EQ(std::get<SchemaParam>(children.at(2)).scaffold, std::nullopt);
}

}  // namespace
}  // namespace promptcache

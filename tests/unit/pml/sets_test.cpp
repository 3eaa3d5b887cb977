// Scaffold sets: which are allowed, and that they leave the text around them alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/pml/parsed.h"

namespace promptcache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::SchemaErrors;
using testing::SchemaOf;

// A schema with modules at a, a/b, x and y (members of one union), x/z, u and u/v (not cached), and
// a set in line 2.
std::string WithSet(const std::string& modules) {
  return "<schema name='s'><module name='a'><module name='b'/></module><union><module name='x'>"
         "<module name='z'/></module><module name='y'/></union><module name='u' cache='false'>"
         "<module name='v'/></module>\n<scaffold modules='" +
         modules + "'/></schema>";
}

std::string MessageOf(const std::string& modules) {
  const PmlSource source("s.xml", WithSet(modules));
  Diagnostics diagnostics(source);
  EXPECT_FALSE(ParseSchema(source, {}, diagnostics).has_value());
  return diagnostics.ok() ? "" : diagnostics.errors()[0].message;
}

TEST(Sets, NameTwoOrMoreModulesByTheirPaths) {
  const SchemaDocument schema = SchemaOf(WithSet("x/z  a/b a"));
  ASSERT_EQ(schema.sets.size(), 1U);
  EXPECT_THAT(schema.sets[0].members, ElementsAre("x/z", "a/b", "a"));
  EXPECT_THAT(SchemaErrors(WithSet("")), ElementsAre("PML0217 2:11"));
  EXPECT_THAT(SchemaErrors(WithSet("a")), ElementsAre("PML0217 2:11"));
  EXPECT_THAT(MessageOf("a"), HasSubstr("<scaffold> in 's': a scaffold set has two or more"));
}

TEST(Sets, ComeInDocumentOrderAndMayStandBeforeTheirModules) {
  const SchemaDocument schema = SchemaOf(
      "<schema name='s'><scaffold modules='a b'/><module name='a'/><module name='b'/>"
      "<scaffold modules='b a'/></schema>");
  ASSERT_EQ(schema.sets.size(), 2U);
  EXPECT_THAT(schema.sets[0].members, ElementsAre("a", "b"));
  EXPECT_THAT(schema.sets[1].members, ElementsAre("b", "a"));
}

TEST(Sets, UnknownMembersAreRefusedWithWhatMayBeMeant) {
  EXPECT_THAT(SchemaErrors(WithSet("a q")), ElementsAre("PML0218 2:11"));
  EXPECT_THAT(MessageOf("x b"), HasSubstr("no module 'b'; did you mean 'a/b'?"));
  EXPECT_THAT(MessageOf("x s/a"), HasSubstr("no module 's/a'; did you mean 'a'?"));
  EXPECT_THAT(MessageOf("x x/b"), HasSubstr("no module 'x/b'; did you mean 'a/b'?"));
  EXPECT_THAT(MessageOf("a x/zz"), HasSubstr("no module 'x/zz'; did you mean 'x/z'?"));
  EXPECT_THAT(MessageOf("a a/b/c"), HasSubstr("no module 'a/b/c'"));
}

TEST(Sets, RepeatedMembersAreRefused) {
  EXPECT_THAT(SchemaErrors(WithSet("a x a")), ElementsAre("PML0219 2:11"));
  EXPECT_THAT(MessageOf("a/b a/b"), HasSubstr("'a/b' is named twice"));
}

TEST(Sets, MembersThatExcludeEachOtherAreRefused) {
  EXPECT_THAT(SchemaErrors(WithSet("x y")), ElementsAre("PML0220 2:11"));
  EXPECT_THAT(SchemaErrors(WithSet("y a x/z")), ElementsAre("PML0220 2:11"));
  EXPECT_THAT(MessageOf("y a x/z"), HasSubstr("'y' and 'x/z' are in different members of one"));
  EXPECT_THAT(SchemaErrors(WithSet("x x/z")), IsEmpty());
}

TEST(Sets, UncachedMembersAreRefused) {
  EXPECT_THAT(SchemaErrors(WithSet("a u")), ElementsAre("PML0221 2:11"));
  EXPECT_THAT(SchemaErrors(WithSet("a u/v")), ElementsAre("PML0221 2:11"));
}

TEST(Sets, AreEmpty) {
  const auto with = [](const std::string& content) {
    return "<schema name='s'><module name='a'/><module name='b'/>\n<scaffold modules='a b'>" +
           content + "</scaffold></schema>";
  };
  EXPECT_THAT(SchemaErrors(with(" <!-- c -->\n")), IsEmpty());
  EXPECT_THAT(SchemaErrors(with("text")), ElementsAre("PML0222 2:25"));
  EXPECT_THAT(SchemaErrors(with("<module name='c'/>")), ElementsAre("PML0222 2:25"));
}

TEST(Sets, CountAsUnits) {
  EXPECT_THAT(SchemaErrors(WithSet("a x"), {.units = 9}), IsEmpty());
  EXPECT_THAT(SchemaErrors(WithSet("a x"), {.units = 8}), ElementsAre("PML0230 2:1"));
}

// What is known of the texts of a schema, but for where they are.
std::string TextsOf(const SchemaDocument& schema) {
  std::string out;
  for (const SchemaChild& child : schema.root.children) {
    const XmlText* text = std::get_if<XmlText>(&child);
    if (text == nullptr) continue;
    out += text->blank() ? "blank:" : "text:";
    for (const TextSpan& span : text->spans) {
      out += fmt::format("[{}{} {} {} {}]", span.marker ? RoleMarkerText(*span.marker) : "",
                         span.text, span.head_space, span.tail_space, span.only_space);
    }
  }
  return out;
}

TEST(Sets, DoNotSplitTheTextAroundThem) {
  for (const char* before :
       {"", " ", "x", " x ", "\n", "<user>", "x <user> ", "&#32;", "x\xC2\xA0"}) {
    for (const char* after :
         {"", " ", "y", " y ", "\n ", "</user>", " </user>y ", "&#32;", "<![CDATA[ ]]>"}) {
      SCOPED_TRACE(std::string(before) + "|" + after);
      const auto with = [&](const std::string& middle) {
        return TextsOf(SchemaOf("<schema name='s'><module name='a'/><module name='b'/>" +
                                std::string(before) + middle + after + "</schema>"));
      };
      EXPECT_EQ(with("<scaffold modules='a b'/>"), with("<!-- a comment -->"));
    }
  }
}

}  // namespace
}  // namespace promptcache

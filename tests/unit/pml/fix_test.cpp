// What `schema fix` writes, and what its documents become.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <fstream>
#include <sstream>

#include "coordinator/pml/fix.h"
#include "coordinator/pml/schema.h"
#include "tests/fakes/test_env.h"

namespace promptcache {
namespace {

using ::testing::HasSubstr;

FixedPml Fixed(const std::string& text) { return FixBareCharacters(PmlSource("d.xml", text)); }

struct Case {
  const char* document;
  const char* fixed;
};

constexpr Case kCases[] = {
    {"<schema name='s'>a < b</schema>", "<schema name='s'>a &lt; b</schema>"},
    {"<schema name='s'>R&B</schema>", "<schema name='s'>R&amp;B</schema>"},
    {"<schema name='s'>a<=b&&c<d</schema>", "<schema name='s'>a&lt;=b&amp;&amp;c&lt;d</schema>"},
    // Well-formed tags are text where the language has no such element, in schemas.
    {"<schema name='s'>List<int> x</schema>", "<schema name='s'>List&lt;int> x</schema>"},
    {"<schema name='s'>#include <a.h>\n<b></c></schema>",
     "<schema name='s'>#include &lt;a.h>\n&lt;b>&lt;/c></schema>"},
    {"<prompt schema='s'><m/>a < b<c/></prompt>", "<prompt schema='s'><m/>a &lt; b<c/></prompt>"},
    // What has a meaning keeps it.
    {"<schema name='s'><module name='M'>&lt;&#65;&<![CDATA[<&]]><!-- <& "
     "--><user></module></schema>",
     "<schema name='s'><module name='M'>&lt;&#65;&amp;<![CDATA[<&]]><!-- <& --><user></module>"
     "</schema>"},
    {"<?xml version='1.0'?><!-- a & b --><schema name='s'><</schema>",
     "<?xml version='1.0'?><!-- a & b --><schema name='s'>&lt;</schema>"},
    // Not references, although they look like some.
    {"<schema name='s'>&nbsp;&#0;&lt</schema>",
     "<schema name='s'>&amp;nbsp;&amp;#0;&amp;lt</schema>"},
    {"<schema name='s' description='R&B'/>", "<schema name='s' description='R&amp;B'/>"},
    // Beginnings of markup that never ends.
    {"<schema name='s'><!-- <![CDATA[ <? <! <</schema>",
     "<schema name='s'>&lt;!-- &lt;![CDATA[ &lt;? &lt;! &lt;</schema>"},
};

TEST(Fix, WritesBareCharactersAsReferences) {
  for (const Case& c : kCases) EXPECT_EQ(Fixed(c.document).text, c.fixed) << c.document;
}

TEST(Fix, IsIdempotent) {
  for (const Case& c : kCases) {
    const FixedPml again = Fixed(c.fixed);
    EXPECT_EQ(again.text, c.fixed);
    EXPECT_TRUE(again.fixes.empty()) << c.fixed;
  }
}

TEST(Fix, SaysWhereTheCharactersStood) {
  const FixedPml fixed = Fixed("<schema name='s'>a < b & c</schema>");
  ASSERT_EQ(fixed.fixes.size(), 2U);
  EXPECT_EQ(fixed.fixes[0].offset, 19U);
  EXPECT_EQ(fixed.fixes[0].character, '<');
  EXPECT_EQ(fixed.fixes[1].offset, 23U);
  EXPECT_EQ(fixed.fixes[1].character, '&');
}

TEST(Fix, LeavesWellFormedDocumentsAlone) {
  for (const char* document : {"<schema name='s'>a &lt; b</schema>",
                               "<schema><foo>x</foo></schema>", "\xEF\xBB\xBF<prompt/>\r\n"}) {
    EXPECT_EQ(Fixed(document).text, document);
  }
}

TEST(Fix, LeavesWhatNobodyCouldMeanToThePersonWhoWroteIt) {
  for (const char* document : {"", "&", "plain & <", "<schema name='s'><module name='M'></schema>",
                               "<!DOCTYPE a><a/>", "<schema name='s'>a]]>b</schema>"}) {
    EXPECT_EQ(Fixed(document).text, document);
  }
}

// Pieces of markup in any order, most of them no document.
std::string AnySoup() {
  static const std::vector<std::string> kPieces = {"<module name='A'>",
                                                   "</module>",
                                                   "<m/>",
                                                   "</m>",
                                                   "<m a='",
                                                   "'",
                                                   ">",
                                                   "<",
                                                   "&",
                                                   "&lt;",
                                                   "&#65;",
                                                   "&x;",
                                                   "a",
                                                   " ",
                                                   "<!--",
                                                   "-->",
                                                   "]]>",
                                                   "<?",
                                                   "?>",
                                                   "<user>",
                                                   "\n",
                                                   "\"",
                                                   "/>",
                                                   "=",
                                                   "<![CDATA["};
  std::string soup;
  for (int n = *rc::gen::inRange(0, 30); n > 0; --n) soup += *rc::gen::elementOf(kPieces);
  const std::string root = *rc::gen::element<std::string>("schema", "prompt");
  return "<" + root + " name='s'>" + soup + "</" + root + ">";
}

RC_GTEST_PROP(FixOfAnything, IsIdempotentAndOnlyWritesReferences, ()) {
  const std::string soup = AnySoup();
  const FixedPml fixed = Fixed(soup);
  RC_LOG() << soup << "\n" << fixed.text << "\n";
  RC_ASSERT(Fixed(fixed.text).text == fixed.text);
  std::string expected = soup;
  for (auto fix = fixed.fixes.rbegin(); fix != fixed.fixes.rend(); ++fix) {
    RC_ASSERT(soup[fix->offset] == fix->character);
    expected.replace(fix->offset, 1, fix->character == '<' ? "&lt;" : "&amp;");
  }
  RC_ASSERT(fixed.text == expected);
}

RC_GTEST_PROP(FixOfAnything, LeavesNoBareCharacterToReport, ()) {
  const std::string soup = AnySoup();
  const std::string text = Fixed(soup).text;
  RC_LOG() << soup << "\n" << text << "\n";
  const PmlSource source("d.xml", text);
  Diagnostics diagnostics(source);
  (void)ParseSchema(source, {}, diagnostics);
  for (const Diagnostic& error : diagnostics.errors()) {
    RC_ASSERT(error.id != "PML0107" && error.id != "PML0108" && error.id != "PML0112");
    RC_ASSERT(error.message.find("not understood") == std::string::npos);
  }
}

// The text of a container and everything in it.
std::string TextOf(const SchemaContainer& container) {
  std::string out;
  for (const SchemaChild& child : container.children) {
    if (const auto* text = std::get_if<XmlText>(&child)) {
      for (const TextSpan& span : text->spans) out += span.text;
    } else if (const auto* module = std::get_if<std::unique_ptr<SchemaContainer>>(&child)) {
      out += TextOf(**module);
    } else if (const auto* group = std::get_if<SchemaUnion>(&child)) {
      for (const auto& member : group->members) out += TextOf(*member);
    }
  }
  return out;
}

struct FileCase {
  const char* path;
  size_t fixes;
  std::vector<const char*> kept;  // parts of the text that were lost or refused
};

const FileCase kFiles[] = {
    {"HEAD/examples__code_generation_game.xml",
     5,
     {"return (0 <= position[0] < self.grid_size and", "0 <= position[1] < self.grid_size and",
      "if distance <= radius:"}},
    {"history/examples__code_generation_game.abef3cfb.xml",
     4,
     {"return 0 <= position[0] < self.grid_size and 0 <= position[1] < self.grid_size"}},
    {"history/benchmark__schema_qanda.19a45a8e.xml",
     3,
     {"lead singer of R&B girl-group", "R&B producer Arne Frager", "other established R&B girl"}},
    {"history/benchmark__schema_qanda.4473d2e0.xml",
     3,
     {"lead singer of `R&B` girl-group", "R&B producer Arne Frager", "other established R&B girl"}},
};

TEST(Fix, ReferenceDocumentsLoadWithTheirCharactersKept) {
  const auto data = testing::TestDataDir();
  PC_SKIP_WITHOUT(data, "test data");
  for (const FileCase& c : kFiles) {
    SCOPED_TRACE(c.path);
    std::ifstream file(*data / "data/pml/yale-prompt-cache" / c.path, std::ios::binary);
    std::ostringstream read;
    read << file.rdbuf();
    const FixedPml fixed = Fixed(read.str());
    EXPECT_EQ(fixed.fixes.size(), c.fixes);
    const auto schema = ParseSchema(PmlSource("fixed.xml", fixed.text));
    ASSERT_TRUE(schema.ok()) << schema.status().ToString();
    for (const char* kept : c.kept) EXPECT_THAT(TextOf(schema->root), HasSubstr(kept));
  }
}

}  // namespace
}  // namespace promptcache

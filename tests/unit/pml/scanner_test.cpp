// One document with several mistakes: all are told, and nothing that follows from them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/pml/prompt.h"
#include "coordinator/pml/scanner.h"
#include "coordinator/pml/schema.h"

namespace promptcache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// "line:column id" of each error.
std::vector<std::string> Errors(const std::string& schema) {
  const PmlSource source("s.xml", schema);
  Diagnostics diagnostics(source);
  const bool accepted = ParseSchema(source, {}, diagnostics).has_value();
  EXPECT_EQ(accepted, diagnostics.ok());
  std::vector<std::string> all;
  for (const Diagnostic& error : diagnostics.errors()) {
    all.push_back(std::to_string(error.location.line) + ":" +
                  std::to_string(error.location.column) + " " + error.id);
  }
  return all;
}

TEST(Scan, TellsEveryMistakeAtItsPlace) {
  EXPECT_THAT(
      Errors("<schema name='s'>\n"
             "  a < b &nbsp; c\n"
             "  <module name=M>x]]>y</module>\n"
             "  <!-- a -- b --><module name='N' name='O'>\x01</module>\n"
             "  <?php ?>&\n"
             "</schema>"),
      ElementsAre("2:5 PML0107", "2:9 PML0108", "3:16 PML0112", "3:19 PML0115", "4:10 PML0116",
                  "4:35 PML0119", "4:44 PML0109", "5:3 PML0105", "5:11 PML0108"));
}

TEST(Scan, AMalformedTagDoesNotMakeItsEndTagWrong) {
  EXPECT_THAT(Errors("<schema name='s'><module name=A>a</module></schema>"),
              ElementsAre("1:31 PML0112"));
}

TEST(Scan, OneTagThatDoesNotFitMakesNoOtherWrong) {
  EXPECT_THAT(Errors("<schema name='s'><module name='A'><module name='B'>b</module></schema>"),
              ElementsAre("1:62 PML0113"));
  EXPECT_THAT(Errors("<schema name='s'><module name='A'>a</modul>b</module>c</schema>"),
              ElementsAre("1:36 PML0113"));
}

TEST(Scan, BehindTwentyMistakesTheOthersAreCounted) {
  const auto schema = ParseSchema(
      PmlSource("s.xml", "<schema name='s'>" + std::string(1'000'000, '&') + "</schema>"));
  EXPECT_THAT(schema.status().message(), HasSubstr("999980 more errors"));
}

TEST(Scan, ColumnsCountCharactersBehindEverythingTheParserDoesNotSee) {
  // The parser's own error: '\xC3\x97' begins no name.
  EXPECT_THAT(Errors("<?xml version='1.0'?>\r\n<!-- \xC3\xA9 --><schema name='s'>\xF0\x9F\x98\x80"
                     "<user>&#10;<![CDATA[\n]]>\xC3\xA9<module\r\n name='M'/><\xC3\x97 a='b'/>"
                     "</schema>"),
              ElementsAre("4:13 PML0106"));
}

TEST(Scan, ReferencesMayBeWrittenInEveryWay) {
  EXPECT_THAT(Errors("<schema name='s'>&#65;&#x41;&#x10FFFF;&#0000065;&amp;&quot;&apos;&gt;&lt;"
                     "</schema>"),
              IsEmpty());
}

TEST(Scan, TagsMayBeWrittenInEveryWay) {
  EXPECT_THAT(
      Errors("<schema\n\tname = \"s\"\r\ndescription='a > \"b\" / ]]>' ><module name='A'\n/>"
             "<module name='\n'></module\t></schema >"),
      ElementsAre("4:11 PML0208"));
}

TEST(Scan, TheParserGetsTagsOnly) {
  const PmlSource source("s.xml",
                         "\xEF\xBB\xBF<?xml version='1.0'?> <!-- x --><a b='c'>text<user>&lt;"
                         "<![CDATA[d]]><e/></a>\n");
  Diagnostics diagnostics(source);
  const ScannedDocument scanned = ScanDocument(source, {}, diagnostics);
  ASSERT_TRUE(diagnostics.ok());
  EXPECT_EQ(scanned.xml, "<?xml version='1.0'?><a b='c'><e/></a>");
  size_t end = source.begin();
  for (const Piece& piece : scanned.pieces) {
    EXPECT_EQ(piece.begin, end);
    end = piece.end;
  }
  EXPECT_EQ(end, source.text().size());
  EXPECT_EQ(source.text().substr(SourceOffset(scanned.pieces, scanned.xml.find("<e"))),
            "<e/></a>\n");
}

}  // namespace
}  // namespace promptcache

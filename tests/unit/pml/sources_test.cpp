// Text from other files.
#include "coordinator/pml/sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/pml/parsed.h"

namespace promptcache {
namespace {

using ::testing::ElementsAre;
using testing::ExpectSchemaError;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::ModuleOf;
using testing::SchemaErrors;
using testing::SchemaOf;
using testing::TextOf;

struct Attached {
  SchemaDocument schema;
  std::vector<std::string> errors;  // "PML0603 1:35"
  std::string first_message;
};

Attached Attach(const std::string& text, const std::vector<SourceFile>& files,
                const PmlLimits& limits = {}) {
  const PmlSource source("s.xml", text);
  Attached result{.schema = SchemaOf(text)};
  Diagnostics diagnostics(source);
  AttachSources(files, limits, result.schema, diagnostics);
  for (const Diagnostic& error : diagnostics.errors()) {
    result.errors.push_back(
        fmt::format("{} {}:{}", error.id, error.location.line, error.location.column));
  }
  if (!diagnostics.ok()) result.first_message = diagnostics.errors()[0].message;
  return result;
}

constexpr char kTwoFiles[] =
    "<schema name='s' src='a.txt'>r\n<module name='A'><union><module name='B' src='d/b.txt'>b"
    "</module></union></module></schema>";

TEST(Sources, AreNamedOnceInDocumentOrder) {
  EXPECT_THAT(SourcePaths(SchemaOf(kTwoFiles)), ElementsAre("a.txt", "d/b.txt"));
  EXPECT_THAT(SourcePaths(SchemaOf("<schema name='s' src='b'><module name='A' src='a'/>"
                                   "<module name='B' src='b'/></schema>")),
              ElementsAre("b", "a"));
}

TEST(Sources, S023_APathStaysBelowTheSchemasFolder) {
  for (const char* path : {"/etc/passwd", "..", "../a", "a/../b", "a/..", "/", "//a"}) {
    EXPECT_THAT(SchemaErrors("<schema name='s' src='" + std::string(path) + "'/>"),
                ElementsAre("PML0602 1:18"))
        << path;
  }
  ExpectSchemaError({"<schema name='s'><module name='A' src='../x'/></schema>", 1, 35, "PML0602",
                     "<module name='A'> in 's': src '../x' leaves the schema's folder"});
}

TEST(Sources, APathIsPlain) {
  for (const char* path :
       {"", ".", "./a", "a/./b", "a//b", "a/", "a\\b", "C:\\a", "a&#10;b", "a&#127;"}) {
    EXPECT_THAT(SchemaErrors("<schema name='s' src='" + std::string(path) + "'/>"),
                ElementsAre("PML0601 1:18"))
        << path;
  }
  EXPECT_THAT(WhyNotASourcePath(std::string(4097, 'a')), HasSubstr("4096"));
  for (const char* path : {"a", "a/b.txt", "..a", "a..", "...", ".hidden", "a b", "\xC3\xA9.txt"}) {
    EXPECT_EQ(WhyNotASourcePath(path), "") << path;
  }
}

TEST(Sources, S022_AFilesTextBecomesItsContainers) {
  const Attached attached = Attach(kTwoFiles, {{"d/b.txt", "of b"}, {"a.txt", "of a"}});
  EXPECT_THAT(attached.errors, IsEmpty());
  EXPECT_EQ(TextOf(attached.schema.root.src->text), "of a");
  EXPECT_EQ(TextOf(ModuleOf(attached.schema, "A/B").src->text), "of b");
  EXPECT_EQ(TextOf(std::get<XmlText>(attached.schema.root.children.at(0))), "r\n");
}

TEST(Sources, OneFileMayServeSeveralContainers) {
  const Attached attached =
      Attach("<schema name='s'><module name='A' src='a'/><module name='B' src='a'/></schema>",
             {{"a", "x"}});
  EXPECT_THAT(attached.errors, IsEmpty());
  EXPECT_EQ(TextOf(ModuleOf(attached.schema, "A").src->text), "x");
  EXPECT_EQ(TextOf(ModuleOf(attached.schema, "B").src->text), "x");
}

TEST(Sources, S077_AFileIsTextAndNeverMarkup) {
  const std::string text = "<user>a &amp; b</user> <![CDATA[c]]> &lt; <module name='x'/>";
  const Attached attached = Attach("<schema name='s' src='a'/>", {{"a", text}});
  const XmlText& got = attached.schema.root.src->text;
  EXPECT_EQ(got.spans.size(), 1U);
  EXPECT_FALSE(got.spans.at(0).marker.has_value());
  EXPECT_EQ(got.spans.at(0).text, text);
}

TEST(Sources, WhiteSpaceAtAFilesEdgesIsLiteral) {
  const auto text_of = [](const std::string& text) {
    return Attach("<schema name='s' src='a'/>", {{"a", text}}).schema.root.src->text;
  };
  const XmlText text = text_of("\xEF\xBB\xBF \r\n x\ry \xC2\xA0\n");
  ASSERT_EQ(text.spans.size(), 1U);
  EXPECT_EQ(text.spans[0].text, " \n x\ny \xC2\xA0\n");
  EXPECT_EQ(text.spans[0].head_space, 3U);
  EXPECT_EQ(text.spans[0].tail_space, 4U);
  EXPECT_FALSE(text.blank());
  EXPECT_TRUE(text_of(" \n").blank());
  const XmlText empty = text_of("");
  EXPECT_TRUE(empty.blank());
  ASSERT_EQ(empty.spans.size(), 1U);
  EXPECT_EQ(empty.spans[0].text, "");
}

TEST(Sources, S062_AMissingFileIsNamed) {
  const Attached attached = Attach(kTwoFiles, {{"a.txt", "of a"}, {"d/c.txt", "of c"}});
  EXPECT_THAT(attached.errors, ElementsAre("PML0603 2:42", "PML0605 1:1"));
  EXPECT_EQ(attached.first_message,
            "<module name='B'> in 's/A': there is no file 'd/b.txt'; did you mean 'd/c.txt'?");
}

TEST(Sources, ABinaryFileIsRefused) {
  const Attached attached = Attach(kTwoFiles, {{"a.txt", "caf\xE9"}, {"d/b.txt", ""}});
  EXPECT_THAT(attached.errors, ElementsAre("PML0604 1:18"));
  EXPECT_EQ(attached.first_message, "<schema name='s'>: the file 'a.txt' is not UTF-8 (at byte 3)");
}

TEST(Sources, FilesThatNobodyAskedForAreRefused) {
  EXPECT_THAT(Attach("<schema name='s'/>", {{"a", ""}}).errors, ElementsAre("PML0605 1:1"));
  const Attached twice = Attach("<schema name='s' src='a'/>", {{"a", "1"}, {"a", "2"}});
  EXPECT_THAT(twice.errors, ElementsAre("PML0605 1:1"));
  EXPECT_THAT(twice.first_message, HasSubstr("another file has the same path"));
}

TEST(Sources, AFileCountsAgainstTheDocumentsLimitAsOftenAsItIsNamed) {
  const std::string schema =
      "<schema name='s'><module name='A' src='a'/><module name='B' src='a'/></schema>";
  const std::vector<SourceFile> files = {{"a", std::string(100, 'x')}};
  EXPECT_THAT(Attach(schema, files, {.document_bytes = schema.size() + 200}).errors, IsEmpty());
  const Attached over = Attach(schema, files, {.document_bytes = schema.size() + 199});
  EXPECT_THAT(over.errors, ElementsAre("PML0606 1:1"));
  EXPECT_THAT(over.first_message, HasSubstr(std::to_string(schema.size() + 200) + " bytes"));
}

TEST(Sources, AnUncachedModuleMayHaveAFile) {
  EXPECT_THAT(
      Attach("<schema name='s'><module name='A' cache='false' src='a'/></schema>", {{"a", "x"}})
          .errors,
      IsEmpty());
}

}  // namespace
}  // namespace promptcache

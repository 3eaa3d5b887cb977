// What is printed is read as the same tree.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "coordinator/pml/printer.h"
#include "tests/unit/pml/random_trees.h"

namespace promptcache {
namespace {

using testing::AnyPrompt;
using testing::AnySchema;
using testing::Dump;

std::string PrintedSchema(const std::string& text) {
  const auto schema = ParseSchema(PmlSource("s.xml", text));
  return schema.ok() ? PrintSchema(*schema) : schema.status().ToString();
}

TEST(Printer, WritesEveryElementAndAttribute) {
  const std::string schema =
      "<schema name=\"s\" src=\"a.txt\" ttl=\"7d\" description=\"R&amp;B &#34;&lt;&#34;\" "
      "whitespace=\"indent\" positions=\"packed\" encoding=\"schema\">"
      "<scaffold modules=\"A A/B\"/>r <user>&lt;"
      "<module name=\"A\" ttl=\"90m\" pin=\"true\">a<module name=\"B\"></module>"
      "<param name=\"p\" length=\"3\" scaffold=\"x\"/></module>"
      "<union scaffold=\"D\"><module name=\"C\" cache=\"false\"><module name=\"E\"></module>"
      "</module><module name=\"D\"></module></union></schema>";
  EXPECT_EQ(PrintedSchema(schema), schema);
}

TEST(Printer, KeepsLiteralAndVerbatimWhiteSpaceApart) {
  EXPECT_EQ(PrintedSchema("<schema name='s'>\n &#32;\u00A0a\r\nb<![CDATA[\n]]>\t</schema>"),
            "<schema name=\"s\">\n &#32;&#160;a\nb&#10;\t</schema>");
  EXPECT_EQ(PrintedSchema("<schema name='s'> <![CDATA[]]> </schema>"),
            "<schema name=\"s\"> <![CDATA[]]> </schema>");
}

TEST(Printer, WritesPromptsWithLineBreaksInArguments) {
  const std::string prompt =
      "<prompt schema=\"s@v1\"><A p=\"1&#10;&#9;&#13;2\"><B/></A>one<C/>\ntwo</prompt>";
  const auto document = ParsePrompt(PmlSource("p.xml", prompt));
  ASSERT_TRUE(document.ok()) << document.status().ToString();
  EXPECT_EQ(PrintPrompt(*document), prompt);
}

RC_GTEST_PROP(RoundTrip, Schemas, ()) {
  const SchemaDocument document = AnySchema();
  const std::string text = PrintSchema(document);
  RC_LOG() << text << "\n";
  const auto parsed = ParseSchema(PmlSource("s.xml", text));
  if (!parsed.ok()) RC_FAIL(parsed.status().ToString());
  RC_ASSERT(Dump(*parsed) == Dump(document));
}

RC_GTEST_PROP(RoundTrip, Prompts, ()) {
  const PromptDocument document = AnyPrompt();
  const std::string text = PrintPrompt(document);
  RC_LOG() << text << "\n";
  const auto parsed = ParsePrompt(PmlSource("p.xml", text));
  if (!parsed.ok()) RC_FAIL(parsed.status().ToString());
  RC_ASSERT(Dump(*parsed) == Dump(document));
}

}  // namespace
}  // namespace promptcache

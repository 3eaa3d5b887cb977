// Documents with mistakes: where the error points and what it says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/pml/prompt.h"
#include "coordinator/pml/schema.h"

namespace promptcache {
namespace {

using ::testing::HasSubstr;

struct Case {
  const char* document;
  uint32_t line;
  uint32_t column;
  const char* id;
  const char* message;  // a part of it
};

void Expect(const Case& c, const Diagnostics& diagnostics) {
  SCOPED_TRACE(c.document);
  ASSERT_FALSE(diagnostics.ok()) << "accepted";
  const Diagnostic& first = diagnostics.errors()[0];
  EXPECT_EQ(first.location.line, c.line) << diagnostics.Render();
  EXPECT_EQ(first.location.column, c.column) << diagnostics.Render();
  EXPECT_EQ(first.id, c.id) << diagnostics.Render();
  EXPECT_THAT(first.message, HasSubstr(c.message));
}

// Not even XML, or XML that PML does not take.
constexpr Case kDocuments[] = {
    {"", 1, 1, "PML0127", "no element"},
    {" <!-- only this -->\n", 1, 1, "PML0127", "no element"},
    {"plain text", 1, 1, "PML0118", "text outside"},
    {"<schema name='s'>x < y</schema>", 1, 20, "PML0107", "in <schema name='s'>"},
    {"<schema name='s'>x <! y</schema>", 1, 20, "PML0107", "in <schema name='s'>"},
    {"<schema name='s'>a\n<module name='A'>x & y</module></schema>", 2, 20, "PML0108",
     "in <module name='A'>"},
    {"<schema name='s'><module name='A'><union>&</union></module></schema>", 1, 42, "PML0108",
     "in <union> in <module name='A'>"},
    {"<schema name='s'>a &nbsp; b</schema>", 1, 20, "PML0108", "'&nbsp;' is not known"},
    {"<schema name='R&B'>a</schema>", 1, 16, "PML0108", "&amp;"},
    {"<schema name='s'><module name='A'>a</schema>", 1, 36, "PML0113", "in <module name='A'>"},
    {"<schema name='s'>a</module></schema>", 1, 19, "PML0113", "in <schema name='s'>"},
    {"<schema name='s'>a", 1, 1, "PML0114", "<schema> is never closed"},
    {"<schema name='s'>a</schema><schema/>", 1, 28, "PML0118", "a second element outside"},
    {"<schema name='s'>a</schema>\n tail", 2, 2, "PML0118", "text outside"},
    {"<schema name='s'>a</schema><![CDATA[]]>", 1, 28, "PML0118", "a CDATA section outside"},
    {"<schema name='s'>a</schema></schema>", 1, 28, "PML0118", "an end tag outside"},
    {"<schema name='s' name='t'>a</schema>", 1, 18, "PML0119", "'name' is given twice"},
    {"<schema name=s>a</schema>", 1, 14, "PML0112", "the value of 'name' is not in quotes"},
    {"<schema name>a</schema>", 1, 9, "PML0112", "the attribute 'name' has no value"},
    {"<schema name='s'src='t'>a</schema>", 1, 17, "PML0112", "no space before"},
    {"<schema name='s' =>a</schema>", 1, 18, "PML0112", "should go on with"},
    {"<schema name='s'>a</schema x>", 1, 28, "PML0112", "nothing but a name"},
    {"<schema name='s'", 1, 1, "PML0112", "no end"},
    {"<schema name='s'>\n\n  <module name='A\n</schema>", 3, 16, "PML0112", "no closing quote"},
    {"<schema name='s'>\xC3\xA9\xF0\x9F\x98\x80 < b</schema>", 1, 21, "PML0107", "&lt;"},
    {"<schema name='s'>\x01</schema>", 1, 18, "PML0109", "U+0001 is not allowed in <schema"},
    {"<schema name='s'><!-- \x01 --></schema>", 1, 23, "PML0109", "U+0001"},
    {"<schema name='s'><![CDATA[\x01]]></schema>", 1, 27, "PML0109", "U+0001"},
    {"<schema name='\x01'/>", 1, 15, "PML0109", "U+0001"},
    {"<schema name='s'>\xEF\xBF\xBF</schema>", 1, 18, "PML0109", "U+FFFF"},
    {"<schema name='s'>&#0;</schema>", 1, 18, "PML0109", "'&#0;'"},
    {"<schema name='s'>&#xD800;</schema>", 1, 18, "PML0109", "'&#xD800;'"},
    {"<schema name='s'>a]]>b</schema>", 1, 19, "PML0115", "]]&gt;"},
    {"<schema name='s'><!-- a -- b --></schema>", 1, 25, "PML0116", "in <schema name='s'>"},
    {"<schema name='s'><!-- a ---></schema>", 1, 25, "PML0116", "in <schema name='s'>"},
    {"<schema name='s'><!-- a</schema>", 1, 18, "PML0117", "this comment is never closed"},
    {"<schema name='s'><![CDATA[a</schema>", 1, 18, "PML0117", "this CDATA section"},
    {"<schema name='s'>a\nb\xFFz</schema>", 2, 2, "PML0101", "not UTF-8 in <schema name='s'>"},
    {"\xFF\xFE<", 1, 1, "PML0101", "it looks like UTF-16"},
    {"<?xml version='1.0' encoding='UTF-16'?><schema name='s'/>", 1, 31, "PML0103",
     "'UTF-16' is not UTF-8"},
    {"<?xml version='1.1'?><schema name='s'/>", 1, 16, "PML0102", "'1.1'"},
    {"<?xml encoding='UTF-8'?><schema name='s'/>", 1, 23, "PML0106", "not well-formed XML"},
    {"<schema name='s'><\xC3\x97/></schema>", 1, 19, "PML0106", "in <schema name='s'>"},
    {"<!DOCTYPE schema><schema name='s'/>", 1, 1, "PML0104", "not allowed"},
    {"<schema name='s'>a<?php x ?>b</schema>", 1, 19, "PML0105", "not allowed in <schema"},
    {"<?sysO?><schema name='s'>a</schema>", 1, 1, "PML0105", "not allowed"},
    {" <?xml version='1.0'?><schema name='s'/>", 1, 2, "PML0105", "not allowed"},
    {"<schema name='s'><x:module name='A'/></schema>", 1, 18, "PML0110", "no colon"},
    {"<schema name='s' xml:space='preserve'>a</schema>", 1, 18, "PML0110", "'xml:space'"},
    {"<system><schema name='s'>a</schema>", 1, 1, "PML0111", "outside"},
    {"<schema name='s'>a</schema>\n</user>", 2, 1, "PML0111", "outside"},
};

TEST(MalformedDocuments, PointAtTheMistake) {
  for (const Case& c : kDocuments) {
    const PmlSource source("s.xml", c.document);
    Diagnostics diagnostics(source);
    EXPECT_FALSE(ParseSchema(source, {}, diagnostics).has_value());
    Expect(c, diagnostics);
  }
}

constexpr Case kSchemas[] = {
    {"<notschema name='s'>a</notschema>", 1, 1, "PML0201", "<schema>"},
    {"<schema>a</schema>", 1, 1, "PML0206", "'name' is missing"},
    {"<schema name='s'><module>a</module></schema>", 1, 18, "PML0206", "<module> in 's'"},
    {"<schema name='s'><module name='1a'/></schema>", 1, 26, "PML0208", "'1a'"},
    {"<schema name='s'><module name='a b'/></schema>", 1, 26, "PML0208", "'a b'"},
    {"<schema name='s'><module name='a/b'/></schema>", 1, 26, "PML0208", "'a/b'"},
    {"<schema name='s'><module name='a:b'/></schema>", 1, 26, "PML0208", "'a:b'"},
    {"<schema name='s'><module name='\xC3\xA9'/></schema>", 1, 26, "PML0208", "\xC3\xA9"},
    {"<schema name='s'><module name=''/></schema>", 1, 26, "PML0208", "empty"},
    {"<schema name='s'><module name='-a'/></schema>", 1, 26, "PML0208", "'-a'"},
    {"<schema name='prompt'/>", 1, 9, "PML0208", "reserved"},
    {"<schema name='s'><module name='user'/></schema>", 1, 26, "PML0208", "reserved"},
    {"<schema name='s'><module name='xmlish'/></schema>", 1, 26, "PML0208", "reserved"},
    {"<schema name='s'><module name='A'/>\n<module name='A'/></schema>", 2, 1, "PML0209",
     "already defined in line 1"},
    {"<schema name='s'><module name='A'/><union><module name='A'/></union></schema>", 1, 43,
     "PML0209", "'A'"},
    {"<schema name='s'><union><module name='A'/></union><union><module name='A'/></union></schema>",
     1, 58, "PML0209", "'A'"},
    {"<schema name='s'><union><module name='A'/><module name='A'/></union></schema>", 1, 43,
     "PML0209", "'A'"},
    {"<schema name='s'>a<foo>x</foo></schema>", 1, 19, "PML0202", "&lt;"},
    {"<schema name='s'><modul name='A'/></schema>", 1, 18, "PML0202", "did you mean 'module'?"},
    {"<schema name='s'><system >x</system ></schema>", 1, 18, "PML0204", "role marker"},
    {"<schema name='s'><module name='A' lenght='3'/></schema>", 1, 35, "PML0205", "'lenght'"},
    {"<schema name='s' whitespaces='indent'/>", 1, 18, "PML0205", "did you mean 'whitespace'?"},
    {"<schema name='s' whitespace='none'/>", 1, 18, "PML0207", "reference, indent, preserve"},
    {"<schema name='s' encoding='paper'/>", 1, 18, "PML0207", "anchored, independent, schema"},
    {"<schema name='s' positions='tight'/>", 1, 18, "PML0207", "schema, packed"},
    {"<schema name='s'><module name='A' cache='True'/></schema>", 1, 35, "PML0207", "true, false"},
    {"<schema name='s'><module name='A' cache='false'><module name='B' "
     "cache='true'/></module></schema>",
     1, 66, "PML0216", "cache 'false'"},
    {"<schema name='s'><union>\n zzz<module name='A'/></union></schema>", 2, 2, "PML0214",
     "<module> only"},
    {"<schema name='s'><union><user><module name='A'/></union></schema>", 1, 25, "PML0214",
     "<module> only"},
    {"<schema name='s'><union><param name='p' len='1'/></union></schema>", 1, 25, "PML0203",
     "<param name='p'> in 's'"},
    {"<schema name='s'><union><union/></union></schema>", 1, 25, "PML0203", "<union>"},
    {"<schema name='s'><union scaffold='B'><module name='A'/></union></schema>", 1, 25, "PML0215",
     "'B' is no member"},
    {"<schema name='s'><param name='p' len='1'/></schema>", 1, 18, "PML0211",
     "not allowed in a schema"},
    {"<schema name='s'><module name='M'><param len='1'/></module></schema>", 1, 35, "PML0206",
     "<param> in 's/M'"},
    {"<schema name='s'><module name='M'><param name='p'/></module></schema>", 1, 35, "PML0212",
     "has no length"},
    {"<schema name='s'><module name='M'><param name='p' len='1' length='1'/></module></schema>", 1,
     51, "PML0212", "both"},
    {"<schema name='s'><module name='M'><param name='p' len='0'/></module></schema>", 1, 51,
     "PML0207", "<param name='p'> in 's/M': len '0'"},
    {"<schema name='s'><module name='M'><param name='p' len='-3'/></module></schema>", 1, 51,
     "PML0207", "'-3'"},
    {"<schema name='s'><module name='M'><param name='p' len='3x'/></module></schema>", 1, 51,
     "PML0207", "'3x'"},
    {"<schema name='s'><module name='M'><param name='p' len='99999999999999999999'/></module>"
     "</schema>",
     1, 51, "PML0207", "16777216"},
    {"<schema name='s'><module name='M'><param name='p' len='1'/><param name='p' "
     "len='1'/></module></schema>",
     1, 60, "PML0210", "already defined in line 1"},
    {"<schema name='s'><module name='M'><param name='p' len='1'>x</param></module></schema>", 1, 59,
     "PML0213", "must be empty"},
    {"<schema name='s'><module name='M'><schema name='t'/></module></schema>", 1, 35, "PML0203",
     "not allowed in <module>"},
};

TEST(MalformedSchemas, PointAtTheMistake) {
  for (const Case& c : kSchemas) {
    const PmlSource source("s.xml", c.document);
    Diagnostics diagnostics(source);
    EXPECT_FALSE(ParseSchema(source, {}, diagnostics).has_value());
    Expect(c, diagnostics);
  }
}

constexpr Case kPrompts[] = {
    {"<schema name='s'/>", 1, 1, "PML0301", "<prompt>"},
    {"<prompt>q</prompt>", 1, 1, "PML0303", "'schema' is missing"},
    {"<prompt schema='s' model='m'>q</prompt>", 1, 20, "PML0302", "'model'"},
    {"<prompt schema='a b'>q</prompt>", 1, 9, "PML0304", "'a b'"},
    {"<prompt schema='s@'>q</prompt>", 1, 9, "PML0305", "version"},
    {"<prompt schema='s'/>", 1, 1, "PML0308", "empty"},
    {"<prompt schema='s'> <!-- c --> </prompt>", 1, 1, "PML0308", "empty"},
    {"<prompt schema='s'>\n lead<A/></prompt>", 2, 2, "PML0307", "put it after"},
    {"<prompt schema='s'><user><A/>q</prompt>", 1, 20, "PML0307", "put it after"},
    {"<prompt schema='s'><A> x</A></prompt>", 1, 24, "PML0306", "<A>"},
    {"<prompt schema='s'><A><B/>&#32;</A></prompt>", 1, 27, "PML0306", "<A>"},
    {"<prompt schema='s'><A p='1' p='2'/></prompt>", 1, 29, "PML0119", "'p'"},
};

TEST(MalformedPrompts, PointAtTheMistake) {
  for (const Case& c : kPrompts) {
    const PmlSource source("p.xml", c.document);
    Diagnostics diagnostics(source);
    EXPECT_FALSE(ParsePrompt(source, kPromptLimits, diagnostics).has_value());
    Expect(c, diagnostics);
  }
}

}  // namespace
}  // namespace promptcache

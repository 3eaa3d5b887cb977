// Documents that are no XML, or XML that PML does not take: where the error points and what it
// says.
#include <gtest/gtest.h>

#include "tests/unit/pml/parsed.h"

namespace promptcache {
namespace {

using testing::ErrorCase;

constexpr ErrorCase kDocuments[] = {
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
  for (const ErrorCase& one : kDocuments) testing::ExpectSchemaError(one);
}

}  // namespace
}  // namespace promptcache

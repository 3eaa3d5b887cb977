// Documents that are no XML, or XML that PML does not take: where the error points and what it
// says.
#include <gtest/gtest.h>

#include "tests/unit/pml/parsed.h"

namespace promptcache {
namespace {

using testing::ErrorCase;

constexpr ErrorCase kDocuments[] = {
    {"", 1, 1, "not-well-formed", "not well-formed XML"},
    {"plain text", 1, 1, "not-well-formed", "not well-formed XML"},
    {"<schema name='s'>x < y</schema>", 1, 20, "not-well-formed", "in <schema name='s'>"},
    {"<schema name='s'>a\n<module name='A'>x & y</module></schema>", 2, 20, "not-well-formed",
     "in <module name='A'>"},
    {"<schema name='s'>a &nbsp; b</schema>", 1, 20, "not-well-formed", "nbsp"},
    {"<schema name='s'><module name='A'>a</schema>", 1, 36, "not-well-formed", "module"},
    {"<schema name='s'>a", 1, 19, "not-well-formed", "in <schema name='s'>"},
    {"<schema name='s'>a</schema><schema/>", 1, 28, "not-well-formed", ""},
    {"<schema name='s'>a</schema>tail", 1, 28, "not-well-formed", ""},
    {"<schema name='s' name='t'>a</schema>", 1, 23, "not-well-formed", "name"},
    {"<schema name=s>a</schema>", 1, 14, "not-well-formed", ""},
    {"<schema name='s'>\n\n  <module name='A\n</schema>", 4, 2, "not-well-formed", ""},
    {"<schema name='s'>\xC3\xA9\xF0\x9F\x98\x80 < b</schema>", 1, 21, "not-well-formed", ""},
    {"<schema name='s'>\x01</schema>", 1, 18, "not-well-formed", "in <schema name='s'>"},
    {"<schema name='s'>a]]>b</schema>", 1, 21, "not-well-formed", ""},
    {"<schema name='s'><!-- a -- b --></schema>", 1, 28, "not-well-formed", ""},
    {"<schema name='s'><![CDATA[a</schema>", 1, 37, "not-well-formed", ""},
    {"<schema name='s'>&#0;</schema>", 1, 18, "not-well-formed", ""},
    {"<schema name='s'>a\nb\xFFz</schema>", 2, 2, "encoding", "not UTF-8"},
    {"<?xml version='1.0' encoding='UTF-16'?><schema name='s'/>", 1, 31, "encoding",
     "'UTF-16' is not UTF-8"},
    {"<?xml version='1.1'?><schema name='s'/>", 1, 16, "xml-version", "'1.1'"},
    {"<!DOCTYPE schema><schema name='s'/>", 1, 1, "doctype", "not allowed"},
    {"<schema name='s'>a<?php x ?>b</schema>", 1, 19, "instruction", "not allowed"},
    {"<?sysO?><schema name='s'>a</schema>", 1, 1, "instruction", "not allowed"},
    {" <?xml version='1.0'?><schema name='s'/>", 1, 2, "instruction", "not allowed"},
    {"<schema name='s'><x:module name='A'/></schema>", 1, 18, "namespace", "no colon"},
    {"<schema name='s' xml:space='preserve'>a</schema>", 1, 18, "namespace", "'xml:space'"},
    {"<system><schema name='s'>a</schema>", 1, 1, "stray-marker", "outside"},
    {"<schema name='s'>a</schema>\n</user>", 2, 1, "stray-marker", "outside"},
};

TEST(MalformedDocuments, PointAtTheMistake) {
  for (const ErrorCase& one : kDocuments) testing::ExpectSchemaError(one);
}

}  // namespace
}  // namespace promptcache

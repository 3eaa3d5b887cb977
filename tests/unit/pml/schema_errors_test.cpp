// What is wrong in a schema: where the error points and what it says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/pml/parsed.h"

namespace promptcache {
namespace {

using ::testing::ElementsAre;
using testing::ErrorCase;
using testing::ExpectSchemaError;
using ::testing::IsEmpty;
using testing::SchemaErrors;

// A schema with a module M that holds `inside`.
std::string InModule(const std::string& inside) {
  return "<schema name='s'><module name='M'>" + inside + "</module></schema>";
}

void ExpectAll(std::span<const ErrorCase> cases) {
  for (const ErrorCase& one : cases) ExpectSchemaError(one);
}

TEST(SchemaErrors, S038_ParametersDirectlyInTheSchemaAreRefused) {
  ExpectAll(std::vector<ErrorCase>{
      {"<schema name='s'><param name='p' len='1'/></schema>", 1, 18, "PML0211",
       "<param name='p'> in 's': parameters are not allowed in a schema"},
      {"<schema name='s'><parameter name='p' length='1'/></schema>", 1, 18, "PML0211",
       "<parameter name='p'> in 's'"},
  });
}

TEST(SchemaErrors, S039_AParameterNameIsOncePerModule) {
  EXPECT_THAT(SchemaErrors(InModule("<param name='p' len='1'/>"
                                    "<module name='N'><param name='p' len='1'/></module>")),
              IsEmpty());
  ExpectSchemaError(
      {"<schema name='s'><module name='M'>\n<param name='p' len='1'/>\n"
       "<parameter name='p' len='2'/></module></schema>",
       3, 1, "PML0210",
       "<parameter name='p'> in 's/M': the parameter is already defined in line 2"});
}

TEST(SchemaErrors, S040_ALengthIsAPositiveNumberOfTokens) {
  for (const char* length :
       {"0", "-3", "3x", "x", "", " 3", "+3", "3.0", "16777217", "99999999999999999999"}) {
    EXPECT_THAT(SchemaErrors(InModule("<param name='p' length='" + std::string(length) + "'/>")),
                ElementsAre("PML0207 1:51"))
        << length;
  }
  EXPECT_THAT(SchemaErrors(InModule("<param name='p' length='16777216'/>")), IsEmpty());
  ExpectSchemaError(
      {"<schema name='s'><module name='M'><param name='p' len='0'/></module></schema>", 1, 51,
       "PML0207",
       "<param name='p'> in 's/M': len '0' is not a number of tokens from 1 to "
       "16777216"});
}

TEST(SchemaErrors, S041_LengthIsGivenOnceAsLengthOrAsLen) {
  ExpectAll(std::vector<ErrorCase>{
      {"<schema name='s'><module name='M'><param name='p'/></module></schema>", 1, 35, "PML0212",
       "has no length"},
      {"<schema name='s'><module name='M'><param name='p' len='1' length='1'/></module></schema>",
       1, 51, "PML0212", "both 'length' and 'len'"},
  });
}

TEST(SchemaErrors, AParameterIsEmpty) {
  EXPECT_THAT(SchemaErrors(InModule("<param name='p' len='1'> <!-- c -->\n</param>")), IsEmpty());
  for (const char* content : {"x", "<module name='N'/>", "<user>", "&#32;", "<![CDATA[]]>"}) {
    EXPECT_THAT(
        SchemaErrors(InModule("<param name='p' len='1'>" + std::string(content) + "</param>")),
        ElementsAre("PML0213 1:59"))
        << content;
  }
}

TEST(SchemaErrors, S054_MissingNamesAreRefused) {
  ExpectAll(std::vector<ErrorCase>{
      {"<schema>a</schema>", 1, 1, "PML0206", "<schema>: the attribute 'name' is missing"},
      {"<schema name='s'><module>a</module></schema>", 1, 18, "PML0206",
       "<module> in 's': the attribute 'name' is missing"},
      {"<schema name='s'><module name='M'><param len='1'/></module></schema>", 1, 35, "PML0206",
       "<param> in 's/M'"},
      {"<schema name='s'><scaffold/></schema>", 1, 18, "PML0206", "'modules' is missing"},
  });
}

TEST(SchemaErrors, S055_InvalidNamesAreRefused) {
  for (const char* name : {"1a", "a b", "a/b", "a:b", "\xC3\xA9", "", "-a", ".a", "a\xC3\xA9",
                           "prompt", "system", "user", "assistant", "xml", "xmlish"}) {
    const std::string quoted = "'" + std::string(name) + "'";
    EXPECT_THAT(SchemaErrors("<schema name=" + quoted + "/>"), ElementsAre("PML0208 1:9"));
    EXPECT_THAT(SchemaErrors("<schema name='s'><module name=" + quoted + "/></schema>"),
                ElementsAre("PML0208 1:26"));
    EXPECT_THAT(SchemaErrors(InModule("<param len='1' name=" + quoted + "/>")),
                ElementsAre("PML0208 1:50"));
  }
  ExpectSchemaError({"<schema name='s'><module name='1a'/></schema>", 1, 26, "PML0208",
                     "the name '1a' is not a letter or '_' followed by"});
  ExpectSchemaError({"<schema name='user'/>", 1, 9, "PML0208", "the name 'user' is reserved"});
}

TEST(SchemaErrors, S056_NamesMayHaveDotsHyphensAndUnderscores) {
  EXPECT_THAT(SchemaErrors("<schema name='_s-1.2'><module name='unit.py'/>"
                           "<module name='XML'/><module name='Prompt'/></schema>"),
              IsEmpty());
}

TEST(SchemaErrors, S057_AModuleNameIsOncePerScopeUnionsBeingTransparent) {
  ExpectAll(std::vector<ErrorCase>{
      {"<schema name='s'><module name='A'/>\n<module name='A'/></schema>", 2, 1, "PML0209",
       "<module name='A'> in 's': the module is already defined in line 1"},
      {"<schema name='s'><module name='A'/><union><module name='A'/></union></schema>", 1, 43,
       "PML0209", "'A'"},
      {"<schema name='s'><union><module name='A'/></union><union><module name='A'/></union>"
       "</schema>",
       1, 58, "PML0209", "'A'"},
  });
}

TEST(SchemaErrors, S058_TwoMembersOfAUnionHaveDifferentNames) {
  ExpectSchemaError(
      {"<schema name='s'><union><module name='A'/><module name='A'/></union></schema>", 1, 43,
       "PML0209", "already defined"});
}

TEST(SchemaErrors, S059_AChildMayReuseItsParentsName) {
  EXPECT_THAT(SchemaErrors(InModule("<module name='M'/><param name='M' len='1'/>")), IsEmpty());
}

TEST(SchemaErrors, S060_AUnionHoldsModulesAndComments) {
  EXPECT_THAT(SchemaErrors("<schema name='s' whitespace='preserve'><union> <!-- c -->\n"
                           "<module name='A'/> </union><union/></schema>"),
              IsEmpty());
  ExpectAll(std::vector<ErrorCase>{
      {"<schema name='s'><union>\n zzz<module name='A'/></union></schema>", 2, 2, "PML0214",
       "<union> in 's': text in a union, which holds <module> only"},
      {"<schema name='s'><union><user><module name='A'/></union></schema>", 1, 25, "PML0214",
       "text in a union"},
      {"<schema name='s'><union><param name='p' len='1'/></union></schema>", 1, 25, "PML0203",
       "<param name='p'> in 's': not allowed in <union>, which holds <module> only"},
      {"<schema name='s'><union><union/></union></schema>", 1, 25, "PML0203", "<union> in 's'"},
      {"<schema name='s'><union><modul/></union></schema>", 1, 25, "PML0202",
       "did you mean 'module'?"},
  });
}

TEST(SchemaErrors, S061_AUnionsScaffoldIsOneOfItsOwnMembers) {
  ExpectAll(std::vector<ErrorCase>{
      {"<schema name='s'><union scaffold='formel'><module name='formal'/></union></schema>", 1, 25,
       "PML0215", "the scaffold 'formel' is no member of the union; did you mean 'formal'?"},
      {"<schema name='s'><union scaffold=''><module name='A'/></union></schema>", 1, 25, "PML0215",
       "''"},
      {"<schema name='s'><union scaffold='A/B'><module name='A'><module name='B'/></module></union>"
       "</schema>",
       1, 25, "PML0215", "'A/B'"},
      {"<schema name='s'><module name='B'/><union scaffold='B'><module name='A'/></union></schema>",
       1, 43, "PML0215", "'B'"},
  });
}

TEST(SchemaErrors, S063_UnknownElementsAreRefused) {
  ExpectAll(std::vector<ErrorCase>{
      {"<schema name='s'>a<foo>x</foo></schema>", 1, 19, "PML0202", "write &lt;"},
      {"<schema name='s'>\n<modul name='A'/></schema>", 2, 1, "PML0202",
       "<modul name='A'> in 's': unknown element; did you mean 'module'?"},
      {"<schema name='s'><system >x</system ></schema>", 1, 18, "PML0204", "role marker"},
      {"<schema name='s'><user x='1'/></schema>", 1, 18, "PML0204", "role marker"},
      {"<schema name='s'><module name='M'><schema name='t'/></module></schema>", 1, 35, "PML0203",
       "<schema name='t'> in 's/M': not allowed in <module>, which holds text, <module>, <union> "
       "and <param>"},
      {"<schema name='s'><module name='M'><scaffold modules='a b'/></module></schema>", 1, 35,
       "PML0203", "not allowed in <module>"},
  });
}

TEST(SchemaErrors, S066_AnotherRootIsRefused) {
  ExpectAll(std::vector<ErrorCase>{
      {"<notschema name='s'>a</notschema>", 1, 1, "PML0201", "the root of a schema is <schema>"},
      {"<prompt schema='s'>a</prompt>", 1, 1, "PML0201", "<prompt>"},
  });
}

TEST(SchemaErrors, S068_UnknownAttributesAreRefused) {
  ExpectAll(std::vector<ErrorCase>{
      {"<schema name='s'><module name='A' lenght='3'/></schema>", 1, 35, "PML0205",
       "<module name='A'> in 's': unknown attribute 'lenght'"},
      {"<schema name='s' whitespaces='indent'/>", 1, 18, "PML0205", "did you mean 'whitespace'?"},
      {"<schema name='s' cache='false'/>", 1, 18, "PML0205", "'cache'"},
      {"<schema name='s'><module name='A' whitespace='indent'/></schema>", 1, 35, "PML0205",
       "'whitespace'"},
      {"<schema name='s'><union name='A'/></schema>", 1, 25, "PML0205", "'name'"},
  });
}

TEST(SchemaErrors, AnUncachedModuleHasNothingCachedInside) {
  EXPECT_THAT(SchemaErrors(InModule("<module name='A' cache='true'/>")), IsEmpty());
  ExpectSchemaError(
      {"<schema name='s'><module name='M' cache='false'><union><module name='N' "
       "cache='true'/></union></module></schema>",
       1, 73, "PML0216",
       "<module name='N'> in 's/M': cache 'true' inside a module with cache 'false'"});
}

TEST(SchemaErrors, AllErrorsOfADocumentAreReported) {
  EXPECT_THAT(SchemaErrors("<schema name='s' x='1' ttl='7'>\n<foo/>\n<module name='A' cache='no'>"
                           "<param/>\n</module><module name='A'/><union>t</union></schema>"),
              ElementsAre("PML0205 1:18", "PML0207 1:24", "PML0202 2:1", "PML0207 3:18",
                          "PML0206 3:29", "PML0212 3:29", "PML0209 4:10", "PML0214 4:35"));
}

TEST(SchemaErrors, LongNamesAreCutInMessages) {
  const std::string name(200, 'a');
  const PmlSource source(
      "s.xml", "<schema name='" + name + "'><module name='" + name + "'><x/></module></schema>");
  Diagnostics diagnostics(source);
  EXPECT_FALSE(ParseSchema(source, {}, diagnostics).has_value());
  EXPECT_LT(diagnostics.errors().at(0).message.size(), 200U);
}

}  // namespace
}  // namespace promptcache

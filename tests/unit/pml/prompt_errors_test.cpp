// What is wrong in a prompt by itself, before it is held against its schema.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/pml/parsed.h"

namespace promptcache {
namespace {

using ::testing::ElementsAre;
using testing::ErrorCase;
using testing::ExpectPromptError;
using ::testing::IsEmpty;
using testing::PromptErrors;

void ExpectAll(std::span<const ErrorCase> cases) {
  for (const ErrorCase& one : cases) ExpectPromptError(one);
}

TEST(PromptErrors, S047_TextInsideAReferenceIsRefused) {
  ExpectAll(std::vector<ErrorCase>{
      {"<prompt schema='s'><A> x</A></prompt>", 1, 24, "PML0306", "<A>"},
      {"<prompt schema='s'><A><B/>tail</A></prompt>", 1, 27, "PML0306", "<A>"},
      {"<prompt schema='s'><A><B/>&#32;</A></prompt>", 1, 27, "PML0306", "<A>"},
      {"<prompt schema='s'><A><user></A></prompt>", 1, 23, "PML0306", "<A>"},
  });
}

TEST(PromptErrors, S048_TextBeforeTheFirstReferenceIsRefused) {
  ExpectAll(std::vector<ErrorCase>{
      {"<prompt schema='s'>\n lead<A/></prompt>", 2, 2, "PML0307", "put it after"},
      {"<prompt schema='s'><user><A/>q</prompt>", 1, 20, "PML0307", "put it after"},
  });
}

TEST(PromptErrors, S051_APromptWithoutContentIsRefused) {
  for (const char* content : {"", " ", " <!-- c --> ", "\xC2\xA0"}) {
    EXPECT_THAT(PromptErrors("<prompt schema='s'>" + std::string(content) + "</prompt>"),
                ElementsAre("PML0308 1:1"))
        << content;
  }
  EXPECT_THAT(PromptErrors("<prompt schema='s'>&#32;</prompt>"), IsEmpty());
}

TEST(PromptErrors, S052_AReferenceAloneIsAPrompt) {
  EXPECT_THAT(PromptErrors("<prompt schema='s'><A/></prompt>"), IsEmpty());
}

TEST(PromptErrors, S053_CommentsAreIgnoredAnywhere) {
  EXPECT_THAT(PromptErrors("<!-- a --><prompt schema='s'><!-- b --><A><!-- c --><B/><!----></A> "
                           "<!-- d --></prompt><!-- e -->"),
              IsEmpty());
}

TEST(PromptErrors, S066_AnotherRootIsRefused) {
  ExpectPromptError({"<schema name='s'/>", 1, 1, "PML0301", "<prompt>, not <schema>"});
}

TEST(PromptErrors, S068_APromptHasOneAttribute) {
  ExpectAll(std::vector<ErrorCase>{
      {"<prompt>q</prompt>", 1, 1, "PML0303", "'schema' is missing"},
      {"<prompt schema='s' model='m'>q</prompt>", 1, 20, "PML0302", "'model'"},
      {"<prompt schema='s' whitespace='preserve'>q</prompt>", 1, 20, "PML0302", "'whitespace'"},
  });
}

TEST(PromptErrors, TheSchemaIsANameAndMaybeAVersion) {
  ExpectAll(std::vector<ErrorCase>{
      {"<prompt schema='a b'>q</prompt>", 1, 9, "PML0304", "'a b'"},
      {"<prompt schema=''>q</prompt>", 1, 9, "PML0304", "empty"},
      {"<prompt schema='@v'>q</prompt>", 1, 9, "PML0304", "empty"},
      {"<prompt schema='s@'>q</prompt>", 1, 9, "PML0305", "no version behind the '@'"},
  });
}

TEST(PromptErrors, AMisspelledMarkerIsNoReference) {
  ExpectAll(std::vector<ErrorCase>{
      {"<prompt schema='s'><A/><user >q</user ></prompt>", 1, 24, "PML0309", "<user>"},
      {"<prompt schema='s'><A><system x='1'/></A></prompt>", 1, 23, "PML0309", "<system>"},
  });
}

TEST(PromptErrors, AnArgumentIsGivenOnce) {
  EXPECT_THAT(PromptErrors("<prompt schema='s'><A p='1' p='2'/></prompt>"),
              ElementsAre("PML0119 1:29"));
}

}  // namespace
}  // namespace promptcache

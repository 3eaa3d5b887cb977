// What a good document becomes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/pml/parsed.h"

namespace promptcache {
namespace {

using testing::PromptOf;
using testing::SchemaOf;
using testing::TextOf;

template <typename T>
const T& Child(const SchemaContainer& container, size_t index) {
  return std::get<T>(container.children.at(index));
}

const SchemaContainer& Module(const SchemaContainer& container, size_t index) {
  return *Child<std::unique_ptr<SchemaContainer>>(container, index);
}

TEST(Schema, KeepsChildrenInTheirOrder) {
  const SchemaDocument schema = SchemaOf(
      "<schema name='s' whitespace='indent'>a<module name='M'>m<param name='p' len='3'/>n</module>"
      "b<union scaffold='Y'><module name='X'/><module name='Y'>y</module></union></schema>");
  EXPECT_EQ(schema.root.name, "s");
  EXPECT_EQ(schema.whitespace, Whitespace::kIndent);
  ASSERT_EQ(schema.root.children.size(), 4U);
  EXPECT_EQ(TextOf(Child<XmlText>(schema.root, 0)), "a");
  const SchemaContainer& module = Module(schema.root, 1);
  EXPECT_EQ(module.name, "M");
  EXPECT_TRUE(module.cached);
  EXPECT_EQ(Child<SchemaParam>(module, 1).name, "p");
  EXPECT_EQ(Child<SchemaParam>(module, 1).length, 3U);
  const SchemaUnion& choice = Child<SchemaUnion>(schema.root, 3);
  ASSERT_EQ(choice.members.size(), 2U);
  EXPECT_EQ(choice.scaffold, "Y");
}

TEST(Schema, ParameterIsAnotherWordForParamAndLengthForLen) {
  const SchemaDocument schema = SchemaOf(
      "<schema name='s'><module name='M'><parameter name='p' length='7'/></module></schema>");
  EXPECT_EQ(Child<SchemaParam>(Module(schema.root, 0), 0).length, 7U);
}

TEST(Schema, CommentsAndCDataDoNotSplitAText) {
  const SchemaDocument schema =
      SchemaOf("<schema name='s'>a<!-- no -->b<![CDATA[ <c> ]]>&lt;d&#65;\r\ne</schema>");
  ASSERT_EQ(schema.root.children.size(), 1U);
  EXPECT_EQ(TextOf(Child<XmlText>(schema.root, 0)), "ab <c> <dA\ne");
}

TEST(Schema, RoleMarkersArePartOfTheTextAndMayCrossElements) {
  const SchemaDocument schema =
      SchemaOf("<schema name='s'><system>a</system><module name='M'>b<user>c</module></schema>");
  EXPECT_EQ(TextOf(Child<XmlText>(schema.root, 0)), "<system>a</system>");
  EXPECT_EQ(TextOf(Child<XmlText>(Module(schema.root, 1), 0)), "b<user>c");
}

TEST(Schema, MarkersInCDataCommentsAndAttributesStayLiteral) {
  const SchemaDocument schema = SchemaOf(
      "<schema name='s' description='&lt;user>'><!-- <user> --><![CDATA[<user>]]></schema>");
  const XmlText& text = Child<XmlText>(schema.root, 0);
  ASSERT_EQ(text.spans.size(), 1U);
  EXPECT_EQ(text.spans[0].text, "<user>");
  EXPECT_FALSE(text.spans[0].marker.has_value());
  EXPECT_EQ(schema.root.description, "<user>");
}

TEST(Schema, ByteOrderMarkAndDeclarationAreAccepted) {
  EXPECT_EQ(
      SchemaOf("\xEF\xBB\xBF<?xml version='1.0' encoding='utf-8'?><schema name='s'/>").root.name,
      "s");
}

TEST(Schema, WhatIsInsideAnUncachedModuleIsUncached) {
  const SchemaDocument schema = SchemaOf(
      "<schema name='s'><module name='A' cache='false'><module name='B'/></module></schema>");
  EXPECT_FALSE(Module(schema.root, 0).cached);
  EXPECT_FALSE(Module(Module(schema.root, 0), 0).cached);
}

TEST(Prompt, TextsBelongToTheReferenceBeforeThem) {
  const PromptDocument prompt =
      PromptOf("<prompt schema='s@v1'> <A p='1'><B/></A> first <C/>\n<D/> last </prompt>");
  EXPECT_EQ(prompt.schema, "s");
  EXPECT_EQ(prompt.version, "v1");
  ASSERT_EQ(prompt.references.size(), 3U);
  EXPECT_EQ(prompt.references[0].arguments[0].value, "1");
  EXPECT_EQ(prompt.references[0].children[0].name, "B");
  ASSERT_EQ(prompt.texts.size(), 2U);
  EXPECT_EQ(prompt.texts[0].after, 0U);
  EXPECT_EQ(prompt.texts[1].after, 2U);
}

TEST(Prompt, WithoutReferencesAllTextIsOneText) {
  const PromptDocument prompt = PromptOf("<prompt schema='s'>just <!-- so --> text</prompt>");
  EXPECT_TRUE(prompt.references.empty());
  ASSERT_EQ(prompt.texts.size(), 1U);
  EXPECT_FALSE(prompt.texts[0].after.has_value());
  EXPECT_EQ(TextOf(prompt.texts[0].text), "just  text");
}

TEST(Prompt, ArgumentsAreNormalizedAsXmlAttributesAre) {
  const PromptDocument prompt = PromptOf("<prompt schema='s'><A p='a\n\tb&#10;c'/></prompt>");
  EXPECT_EQ(prompt.references[0].arguments[0].value, "a  b\nc");
}

}  // namespace
}  // namespace promptcache

#include "common/text/templates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/test_env.h"
#include "tests/unit/formats/gguf_builder.h"
#include "tests/unit/text/tokenizer_files.h"

namespace promptcache::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

const ChatTemplate& Find(std::string_view name, const GgufFile* file = nullptr) {
  const auto found = FindChatTemplate(name, file);
  EXPECT_TRUE(found.ok()) << found.status().ToString();
  return **found;
}

// The template that "auto" finds in a file whose own template is `source`.
std::string Detected(std::string_view source) {
  const auto bytes = GgufBuilder().String("tokenizer.chat_template", source).Build();
  const auto file = GgufFile::Parse(bytes, "model");
  EXPECT_TRUE(file.ok()) << file.status().ToString();
  return std::string(Find("auto", file->get()).name);
}

// A conversation as PML's markers write it.
std::vector<TextPiece> Pieces(const ChatTemplate& chat, const json& turns) {
  std::vector<TextPiece> pieces;
  for (const json& turn : turns) {
    const std::string role = turn[0];
    const auto [open, close] =
        role == "system" ? std::pair(RoleMarker::kSystemOpen, RoleMarker::kSystemClose)
        : role == "user" ? std::pair(RoleMarker::kUserOpen, RoleMarker::kUserClose)
                         : std::pair(RoleMarker::kAssistantOpen, RoleMarker::kAssistantClose);
    pieces.push_back({std::string(chat[open]), true});
    pieces.push_back({turn[1], false});
    pieces.push_back({std::string(chat[close]), true});
  }
  return pieces;
}

TEST(ChatTemplates, WriteConversationsAsTheModelsOwnTemplate) {
  const auto model = ModelPath();
  PC_SKIP_WITHOUT(model, "the model");
  const auto file = GgufFile::Open(*model);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  const auto tokenizer = TokenizerOfFile(*model);
  ASSERT_NE(tokenizer, nullptr);
  const ChatTemplate& chat = Find("auto", file->get());
  EXPECT_EQ(chat.name, "chatml");
  const json golden = TextGolden("chats");
  for (const json& one : golden["chats"]) {
    const auto pieces = Pieces(chat, one["turns"]);
    std::string text;
    for (const TextPiece& piece : pieces) text += piece.text;
    EXPECT_EQ(text, one["text"].get<std::string>());
    const auto ids = EncodePieces(*tokenizer, pieces);
    ASSERT_TRUE(ids.ok()) << ids.status().ToString();
    EXPECT_EQ(*ids, one["ids"].get<std::vector<TokenId>>()) << one["text"];
  }
}

TEST(ChatTemplates, EveryMarkerHasItsSpelling) {
  const char* spellings[] = {"<system>", "</system>",   "<system/>",   "<user>",
                             "</user>",  "<assistant>", "</assistant>"};
  for (size_t i = 0; i < kRoleMarkers; ++i) {
    EXPECT_EQ(RoleMarkerText(static_cast<RoleMarker>(i)), spellings[i]);
  }
}

TEST(ChatTemplates, AreFoundByTheirNames) {
  for (const ChatTemplate& one : ChatTemplates()) EXPECT_EQ(&Find(one.name), &one);
}

TEST(ChatTemplates, LlamaFalconAndMptAreThoseOfTheReferenceImplementation) {
  const ChatTemplate& llama = Find("llama2");
  EXPECT_EQ(llama[RoleMarker::kSystemOpen], "<s> [INST] <<SYS>>\n");
  EXPECT_EQ(llama[RoleMarker::kSystemClose], "<</SYS>>\n\n");
  EXPECT_EQ(llama[RoleMarker::kSystemEmpty], "<s> [INST] ");
  EXPECT_EQ(llama[RoleMarker::kUserOpen], "");
  EXPECT_EQ(llama[RoleMarker::kUserClose], "[/INST]");
  EXPECT_EQ(llama[RoleMarker::kAssistantOpen], "");
  EXPECT_EQ(llama[RoleMarker::kAssistantClose], "</s><s> [INST] ");
  const ChatTemplate& falcon = Find("falcon");
  EXPECT_EQ(falcon[RoleMarker::kSystemClose], "\n\n");
  EXPECT_EQ(falcon[RoleMarker::kUserOpen], "User: ");
  EXPECT_EQ(falcon[RoleMarker::kUserClose], "\n\nAssistant:");
  EXPECT_EQ(falcon[RoleMarker::kAssistantOpen], " ");
  EXPECT_EQ(falcon[RoleMarker::kAssistantClose], "\n\n");
  EXPECT_EQ(Find("mpt").text, Find("chatml").text);
}

TEST(ChatTemplates, NoneWritesNothing) {
  for (std::string_view text : Find("none").text) EXPECT_EQ(text, "");
  EXPECT_EQ(Find("auto").name, "none");
}

TEST(ChatTemplates, AutoGoesByTheTokensOfTheFilesTemplate) {
  EXPECT_EQ(Detected("{{'<|im_start|>' + role}}"), "chatml");
  EXPECT_EQ(Detected("{{'<|start_header_id|>' + role}}"), "llama3");
  EXPECT_EQ(Detected("{{'[INST] ' + content}}"), "llama2");
  EXPECT_EQ(Detected("{{content}}"), "none");
  const auto bytes = GgufBuilder().U32("tokenizer.chat_template", 1).Build();
  const auto file = GgufFile::Parse(bytes, "model");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(Find("auto", file->get()).name, "none");
}

TEST(ChatTemplates, AnUnknownNameListsTheKnown) {
  const auto found = FindChatTemplate("vicuna", nullptr);
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(found.status().message(), HasSubstr("'vicuna'"));
  EXPECT_THAT(found.status().message(), HasSubstr("auto, none, llama2"));
}

}  // namespace
}  // namespace promptcache::testing

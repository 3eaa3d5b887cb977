#include "common/text/templates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/fakes/test_env.h"
#include "tests/unit/cachestore/temp_dir.h"
#include "tests/unit/formats/gguf_builder.h"
#include "tests/unit/text/tokenizer_files.h"

namespace promptcache::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

const ChatTemplate& Find(std::string_view name, std::string_view model_template = "") {
  const auto found = FindChatTemplate(name, model_template);
  EXPECT_TRUE(found.ok()) << found.status().ToString();
  return **found;
}

// The template that "auto" finds for a model whose own template is `source`.
std::string Detected(std::string_view source) { return Find("auto", source).name; }

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
  const auto own = ReadModelTemplate(*model);
  ASSERT_TRUE(own.ok()) << own.status().ToString();
  const auto tokenizer = TokenizerOfFile(*model);
  ASSERT_NE(tokenizer, nullptr);
  const ChatTemplate& chat = Find("auto", *own);
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
  for (const char* name : {"chatml", "falcon", "llama2", "llama3", "mpt", "none"}) {
    EXPECT_EQ(Find(name).name, name);
    EXPECT_EQ(&Find(name), &Find(name));
  }
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
  for (const std::string& text : Find("none").text) EXPECT_EQ(text, "");
  EXPECT_EQ(Find("auto").name, "none");
}

TEST(ChatTemplates, AutoGoesByTheTokensOfTheFilesTemplate) {
  EXPECT_EQ(Detected("{{'<|im_start|>' + role}}"), "chatml");
  EXPECT_EQ(Detected("{{'<|start_header_id|>' + role}}"), "llama3");
  EXPECT_EQ(Detected("{{'[INST] ' + content}}"), "llama2");
  EXPECT_EQ(Detected("{{content}}"), "none");
  EXPECT_EQ(Detected("{{'[INST]' + '<|start_header_id|>' + '<|im_start|>'}}"), "llama3");
}

TEST(ChatTemplates, AnUnknownNameListsTheKnown) {
  const auto found = FindChatTemplate("vicuna", "");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(found.status().message(), HasSubstr("'vicuna'"));
  EXPECT_THAT(found.status().message(),
              HasSubstr("auto, chatml, falcon, llama2, llama3, mpt, none"));
}

// A template's file with all markers; `more` comes first.
std::string TemplateFile(const std::string& more) {
  std::string file = more + "\n[markers]\n";
  for (size_t i = 0; i < kRoleMarkers; ++i) {
    const std::string marker(RoleMarkerText(static_cast<RoleMarker>(i)));
    file += "\"" + marker + "\" = \"[" + marker + "]\\n\"\n";
  }
  return file;
}

TEST(ChatTemplates, AreReadFromFilesOfTheUser) {
  const TempDir folder;
  const auto path = folder.path() / "mine.toml";
  std::ofstream(path) << TemplateFile("name = \"mine\"\ndetect = \"[mine]\"");
  const auto found = FindChatTemplate(path.string(), "");
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  EXPECT_EQ((*found)->name, "mine");
  EXPECT_EQ((*found)->detect, "[mine]");
  EXPECT_EQ((**found)[RoleMarker::kUserClose], "[</user>]\n");
  const auto missing = FindChatTemplate((folder.path() / "no.toml").string(), "");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.status().code(), Code::kNotFound);
  EXPECT_THAT(missing.status().message(), HasSubstr("no.toml"));
}

void ExpectFault(const std::string& toml, const char* fault) {
  const auto parsed = ParseChatTemplate(toml, "x.toml");
  ASSERT_FALSE(parsed.ok()) << fault;
  EXPECT_EQ(parsed.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(parsed.status().message(), HasSubstr(fault));
}

TEST(ChatTemplates, FaultsOfFilesAreNamedWithTheirLines) {
  ExpectFault("name = \"x\"\n[markers", "x.toml:2: not valid TOML");
  ExpectFault(TemplateFile(""), "x.toml: the template has no name");
  ExpectFault("name = \"x\"", "x.toml: the template has no markers");
  ExpectFault(TemplateFile("name = 5"), "x.toml:1: not a string");
  ExpectFault(TemplateFile("name = \"x\"\nnmae = \"y\""), "x.toml:2: 'nmae' is not one of");
  ExpectFault("name = \"x\"\nmarkers = 1", "x.toml:2: 'markers' is not a table");
  ExpectFault(TemplateFile("name = \"x\"") + "\"<tool>\" = \"\"",
              "x.toml:10: '<tool>' is not a role");
  ExpectFault("name = \"x\"\n[markers]\n\"<system>\" = \"\"",
              "x.toml:2: the marker </system> is missing");
  ExpectFault("name = \"x\"\n[markers]\n\"<user>\" = [1]", "x.toml:3: not a string");
  ExpectFault(TemplateFile("name = \"" + std::string(5'000, 'x') + "\""), "4 KiB");
  ExpectFault(std::string(100'000, '#'), "64 KiB");
  ExpectFault("name = \"\xFF\"", "x.toml:1: not valid TOML");
}

class ModelTemplate : public ::testing::Test {
 protected:
  void Write(const std::string& name, std::string_view text) {
    std::ofstream(folder_.Sub(name), std::ios::binary) << text;
  }
  std::string OfDirectory() {
    const auto text = ReadModelTemplate(folder_.path());
    return text.ok() ? *text : text.status().ToString();
  }

  TempDir folder_;
};

TEST_F(ModelTemplate, OfAGgufFileIsAKey) {
  for (const std::string text : {"", "{% for %}"}) {
    GgufBuilder builder;
    if (!text.empty()) builder.String("tokenizer.chat_template", text);
    const auto bytes = builder.Build();
    Write("model.gguf", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    const auto found = ReadModelTemplate(folder_.Sub("model.gguf"));
    ASSERT_TRUE(found.ok()) << found.status().ToString();
    EXPECT_EQ(*found, text);
  }
}

TEST_F(ModelTemplate, OfADirectoryIsInItsTokenizerConfigOrAFileOfItsOwn) {
  EXPECT_EQ(OfDirectory(), "");
  Write("tokenizer_config.json", R"({"bos_token": "<s>"})");
  EXPECT_EQ(OfDirectory(), "");
  Write("tokenizer_config.json", R"({"chat_template": "one"})");
  EXPECT_EQ(OfDirectory(), "one");
  Write("tokenizer_config.json",
        R"({"chat_template": [{"name": "tool_use", "template": "two"},
                              {"name": "default", "template": "three"}]})");
  EXPECT_EQ(OfDirectory(), "three");
  Write("chat_template.jinja", "four");
  EXPECT_EQ(OfDirectory(), "four");
}

TEST_F(ModelTemplate, FaultsNameTheFile) {
  Write("tokenizer_config.json", "{\"chat_template\": 7}");
  EXPECT_THAT(OfDirectory(), HasSubstr("tokenizer_config.json: 'chat_template' is neither"));
  Write("tokenizer_config.json", "{\"chat_template\": ");
  EXPECT_THAT(OfDirectory(), HasSubstr("tokenizer_config.json is not a JSON object"));
  EXPECT_EQ(ReadModelTemplate(folder_.Sub("none")).status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace promptcache::testing

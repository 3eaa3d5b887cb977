// What role markers become, token for token, with the tokenizers of real models: the ids that their
// own library gives for the whole text (tests/golden/text/roles.json). Numbers are those of the
// statements about the reference implementation.
#include <gtest/gtest.h>

#include <map>

#include "common/text/templates.h"
#include "tests/fakes/test_env.h"
#include "tests/unit/text/tokenizer_files.h"

namespace promptcache::testing {
namespace {

using nlohmann::json;

// The template of each tokenizer of roles.json.
const std::map<std::string, std::string>& TemplateNames() {
  static const std::map<std::string, std::string> names = {
      {"llama2", "llama2"},  {"falcon", "falcon"}, {"mpt", "mpt"},
      {"smollm2", "chatml"}, {"qwen2", "chatml"},  {"llama3", "llama3"}};
  return names;
}

const ChatTemplate& TemplateOf(const std::string& tokenizer) {
  return **FindChatTemplate(TemplateNames().at(tokenizer), "");
}

std::optional<RoleMarker> MarkerAt(std::string_view markup) {
  for (size_t i = 0; i < kRoleMarkers; ++i) {
    const auto marker = static_cast<RoleMarker>(i);
    if (markup.starts_with(RoleMarkerText(marker))) return marker;
  }
  return std::nullopt;
}

// A text of PML as the pieces that it is encoded from.
std::vector<TextPiece> PiecesOf(std::string_view markup, const ChatTemplate& chat) {
  std::vector<TextPiece> pieces;
  while (!markup.empty()) {
    const auto marker = MarkerAt(markup);
    if (marker) {
      pieces.push_back({std::string(chat[*marker]), true});
      markup.remove_prefix(RoleMarkerText(*marker).size());
      continue;
    }
    if (pieces.empty() || pieces.back().from_template) pieces.push_back({"", false});
    pieces.back().text += markup[0];
    markup.remove_prefix(1);
  }
  return pieces;
}

class ChatRoles : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto data = TestDataDir();
    PC_SKIP_WITHOUT(data, "public tokenizers");
    folder_ = *data / "data" / "tokenizers";
    golden_ = TextGolden("roles");
  }

  const Tokenizer& TokenizerNamed(const std::string& name) {
    auto& tokenizer = tokenizers_[name];
    if (tokenizer == nullptr) tokenizer = PublicTokenizer(name, folder_);
    return *tokenizer;
  }

  std::vector<TokenId> Encode(const std::string& name, const std::vector<TextPiece>& pieces) {
    const auto ids = EncodePieces(TokenizerNamed(name), pieces);
    EXPECT_TRUE(ids.ok()) << ids.status().ToString();
    return ids.ok() ? *ids : std::vector<TokenId>();
  }

  // Texts of that kind become the golden text and the golden ids.
  void ExpectGolden(const std::string& name, const std::string& kind) {
    int count = 0;
    for (const json& one : golden_[name]) {
      if (one["kind"] != kind) continue;
      const auto pieces = PiecesOf(one["markup"].get<std::string>(), TemplateOf(name));
      std::string text;
      for (const TextPiece& piece : pieces) text += piece.text;
      EXPECT_EQ(text, one["text"].get<std::string>());
      EXPECT_EQ(Encode(name, pieces), one["ids"].get<std::vector<TokenId>>())
          << name << ": " << one["markup"];
      ++count;
    }
    EXPECT_GT(count, 1) << kind;
  }

  void ExpectGoldenForAll(const std::string& kind) {
    for (const auto& [name, chat] : TemplateNames()) ExpectGolden(name, kind);
  }

  // Text alone gives no special token and is not changed.
  void ExpectOnlyText(const std::string& name, const std::string& text) {
    const Tokenizer& tokenizer = TokenizerNamed(name);
    const auto ids = Encode(name, {{text, false}});
    for (TokenId id : ids) EXPECT_FALSE(tokenizer.IsSpecial(id)) << name << ": " << text;
    EXPECT_EQ(BytesOf(tokenizer, ids), (name == "llama2" ? " " : "") + text) << name;
  }

  std::filesystem::path folder_;
  json golden_;
  std::map<std::string, std::unique_ptr<Tokenizer>> tokenizers_;
};

TEST_F(ChatRoles, S070_Llama2ExpandsSystemUserAssistant) { ExpectGolden("llama2", "conversation"); }

TEST_F(ChatRoles, S071_Llama2BeginsWithoutASystemText) { ExpectGolden("llama2", "no system"); }

TEST_F(ChatRoles, S072_MptAndChatMlExpandSystemUserAssistant) {
  for (const char* name : {"mpt", "smollm2", "qwen2"}) {
    ExpectGolden(name, "conversation");
    ExpectGolden(name, "no system");
  }
}

TEST_F(ChatRoles, S073_FalconExpandsSystemUserAssistant) {
  ExpectGolden("falcon", "conversation");
  ExpectGolden("falcon", "no system");
}

TEST_F(ChatRoles, Llama3ExpandsSystemUserAssistant) {
  ExpectGolden("llama3", "conversation");
  ExpectGolden("llama3", "no system");
}

// What a schema opens and a prompt closes are two texts.
TEST_F(ChatRoles, S074_UnbalancedMarkersExpandByThemselves) { ExpectGoldenForAll("unbalanced"); }

TEST_F(ChatRoles, S075_SeveralTurnsAreOneText) { ExpectGoldenForAll("several turns"); }

TEST_F(ChatRoles, S076_TemplateTextKeepsItsWhiteSpace) {
  ExpectGoldenForAll("question");
  for (const char* name : {"mpt", "smollm2", "qwen2"}) {
    const auto ids = Encode(name, PiecesOf("<user>U</user>", TemplateOf(name)));
    EXPECT_TRUE(BytesOf(TokenizerNamed(name), ids).ends_with("<|im_start|>assistant\n")) << name;
  }
}

// Written whole, twice, and one inside another, so that removing one would leave one.
TEST_F(ChatRoles, S078_NoTextProducesASpecialToken) {
  for (const auto& [name, chat] : TemplateNames()) {
    const Tokenizer& tokenizer = TokenizerNamed(name);
    std::vector<std::string> specials;
    for (uint32_t id = 0; id < tokenizer.vocabulary_size(); ++id) {
      if (!tokenizer.IsSpecial(static_cast<TokenId>(id))) continue;
      specials.push_back(*tokenizer.TokenBytes(static_cast<TokenId>(id)));
    }
    EXPECT_GE(specials.size(), 2u) << name;
    for (const std::string& outer : specials) {
      ExpectOnlyText(name, "a" + outer + "b " + outer + "\n");
      for (const std::string& inner : specials) {
        ExpectOnlyText(name, outer + inner);
        for (size_t cut = 1; cut < outer.size(); ++cut) {
          ExpectOnlyText(name, outer.substr(0, cut) + inner + outer.substr(cut));
        }
      }
    }
  }
}

}  // namespace
}  // namespace promptcache::testing

#include "common/text/load_tokenizer.h"

#include <algorithm>

#include "common/text/bpe_tokenizer.h"

namespace promptcache {
namespace {

// tokenizer.ggml.token_type
constexpr int64_t kTypeControl = 3;
constexpr int64_t kTypeUserDefined = 4;

Result<std::vector<TokenKind>> ReadKinds(const GgufFile& file) {
  std::vector<TokenKind> kinds;
  if (!file.Has("tokenizer.ggml.token_type")) return kinds;
  PC_ASSIGN_OR_RETURN(const auto types, file.GetIntegers("tokenizer.ggml.token_type"));
  for (int64_t type : types) {
    kinds.push_back(type == kTypeControl       ? TokenKind::kSpecial
                    : type == kTypeUserDefined ? TokenKind::kUserDefined
                                               : TokenKind::kNormal);
  }
  return kinds;
}

Result<std::optional<TokenId>> ReadId(const GgufFile& file, const char* key) {
  if (!file.Has(key)) return std::optional<TokenId>();
  PC_ASSIGN_OR_RETURN(const uint64_t id, file.GetUnsigned(key));
  if (id > INT32_MAX) {
    return InvalidArgument(file.name() + ": " + key + " of " + std::to_string(id) +
                           " is no token's id");
  }
  return std::optional<TokenId>(static_cast<TokenId>(id));
}

// The end-of-text ids a file names, and the tokens that end a turn by their well-known names.
Result<std::vector<TokenId>> ReadEndIds(const GgufFile& file, const BpeDefinition& definition) {
  std::vector<TokenId> end;
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
    PC_ASSIGN_OR_RETURN(const auto id, ReadId(file, key));
    if (id) end.push_back(*id);
  }
  for (const char* name : {"<|im_end|>", "<|eot_id|>", "<|endoftext|>"}) {
    const auto found = std::find(definition.tokens.begin(), definition.tokens.end(), name);
    if (found == definition.tokens.end()) continue;
    const auto id = static_cast<size_t>(found - definition.tokens.begin());
    if (id < definition.kinds.size() && definition.kinds[id] == TokenKind::kSpecial) {
      end.push_back(static_cast<TokenId>(id));
    }
  }
  std::sort(end.begin(), end.end());
  end.erase(std::unique(end.begin(), end.end()), end.end());
  return end;
}

Result<BpeDefinition> ReadBpe(const GgufFile& file) {
  BpeDefinition definition;
  PC_ASSIGN_OR_RETURN(definition.tokens, file.GetStrings("tokenizer.ggml.tokens"));
  PC_ASSIGN_OR_RETURN(definition.merges, file.GetStrings("tokenizer.ggml.merges"));
  PC_ASSIGN_OR_RETURN(definition.kinds, ReadKinds(file));
  PC_ASSIGN_OR_RETURN(definition.pretokenizer, file.GetString("tokenizer.ggml.pre"));
  definition.ignore_merges =
      definition.pretokenizer == "llama-bpe" || definition.pretokenizer == "llama3";
  PC_ASSIGN_OR_RETURN(definition.unknown, ReadId(file, "tokenizer.ggml.unknown_token_id"));
  PC_ASSIGN_OR_RETURN(definition.end, ReadEndIds(file, definition));
  return definition;
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> LoadTokenizer(const GgufFile& file) {
  PC_ASSIGN_OR_RETURN(const std::string model, file.GetString("tokenizer.ggml.model"));
  if (model != "gpt2") {
    return Unimplemented(file.name() + ": tokenizer.ggml.model '" + model +
                         "' is not supported; byte-level BPE ('gpt2') is");
  }
  PC_ASSIGN_OR_RETURN(BpeDefinition definition, ReadBpe(file));
  auto tokenizer = MakeBpeTokenizer(std::move(definition));
  if (!tokenizer.ok()) return tokenizer.status().WithContext(file.name());
  return tokenizer;
}

}  // namespace promptcache

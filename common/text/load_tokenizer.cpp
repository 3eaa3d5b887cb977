#include "common/text/load_tokenizer.h"

#include <algorithm>
#include <filesystem>

#include "common/formats/mapped_file.h"
#include "common/text/llama_tokenizer.h"
#include "common/text/sentencepiece_model.h"
#include "common/text/tokenizer_directory.h"
#include "common/text/tokenizer_json.h"

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
  for (const TokenId id : WellKnownEndIds(definition)) end.push_back(id);
  std::sort(end.begin(), end.end());
  end.erase(std::unique(end.begin(), end.end()), end.end());
  return end;
}

// `fallback` where the file does not say.
Result<bool> ReadFlag(const GgufFile& file, const char* key, bool fallback) {
  if (!file.Has(key)) return fallback;
  return file.GetBool(key);
}

// kUnimplemented when the flag is set.
Status CheckUnset(const GgufFile& file, const char* key) {
  PC_ASSIGN_OR_RETURN(const bool set, ReadFlag(file, key, false));
  if (!set) return {};
  return Unimplemented(file.name() + ": " + key + " is not supported");
}

Status ReadByteLevel(const GgufFile& file, BpeDefinition& definition) {
  PC_RETURN_IF_ERROR(CheckUnset(file, "tokenizer.ggml.add_space_prefix"));
  PC_ASSIGN_OR_RETURN(definition.merges, file.GetStrings("tokenizer.ggml.merges"));
  PC_ASSIGN_OR_RETURN(definition.kinds, ReadKinds(file));
  PC_ASSIGN_OR_RETURN(definition.pretokenizer, file.GetString("tokenizer.ggml.pre"));
  definition.ignore_merges =
      definition.pretokenizer == "llama-bpe" || definition.pretokenizer == "llama3";
  // The file does not say it, but their tokenizers do.
  definition.nfc = definition.pretokenizer == "qwen2" || definition.pretokenizer == "mpt";
  return {};
}

Status ReadSentencePiece(const GgufFile& file, BpeDefinition& definition) {
  definition.alphabet = BpeAlphabet::kCharacters;
  PC_RETURN_IF_ERROR(CheckUnset(file, "tokenizer.ggml.remove_extra_whitespaces"));
  if (file.Has("tokenizer.ggml.precompiled_charsmap")) {
    return Unimplemented(file.name() +
                         ": tokenizer.ggml.precompiled_charsmap, a normalizer, is not supported");
  }
  PC_ASSIGN_OR_RETURN(definition.space_before_text,
                      ReadFlag(file, "tokenizer.ggml.add_space_prefix", true));
  PC_ASSIGN_OR_RETURN(definition.scores, file.GetFloats("tokenizer.ggml.scores"));
  PC_ASSIGN_OR_RETURN(const auto types, file.GetIntegers("tokenizer.ggml.token_type"));
  return SetPieceTypes(types, definition).WithContext(file.name());
}

Result<BpeDefinition> ReadDefinition(const GgufFile& file) {
  PC_ASSIGN_OR_RETURN(const std::string model, file.GetString("tokenizer.ggml.model"));
  if (model != "gpt2" && model != "llama") {
    return Unimplemented(file.name() + ": tokenizer.ggml.model '" + model +
                         "' is not supported; 'gpt2' (byte-level BPE) and 'llama' (BPE with byte "
                         "fallback) are");
  }
  BpeDefinition definition;
  PC_ASSIGN_OR_RETURN(definition.tokens, file.GetStrings("tokenizer.ggml.tokens"));
  PC_RETURN_IF_ERROR(model == "gpt2" ? ReadByteLevel(file, definition)
                                     : ReadSentencePiece(file, definition));
  PC_ASSIGN_OR_RETURN(const auto unknown, ReadId(file, "tokenizer.ggml.unknown_token_id"));
  if (unknown) definition.unknown = unknown;
  PC_ASSIGN_OR_RETURN(definition.end, ReadEndIds(file, definition));
  return definition;
}

Result<std::unique_ptr<Tokenizer>> MakeNamed(BpeDefinition definition, const std::string& name) {
  auto tokenizer = MakeTokenizer(std::move(definition));
  if (!tokenizer.ok()) return tokenizer.status().WithContext(name);
  return tokenizer;
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> LoadTokenizer(const GgufFile& file) {
  PC_ASSIGN_OR_RETURN(BpeDefinition definition, ReadDefinition(file));
  return MakeNamed(std::move(definition), file.name());
}

Result<std::unique_ptr<Tokenizer>> LoadTokenizerFile(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    PC_ASSIGN_OR_RETURN(BpeDefinition definition, ReadTokenizerDirectory(path));
    return MakeNamed(std::move(definition), path);
  }
  PC_ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  const std::string_view bytes(reinterpret_cast<const char*>(file->bytes().data()),
                               file->bytes().size());
  if (bytes.starts_with("GGUF")) {
    PC_ASSIGN_OR_RETURN(const auto model, GgufFile::Open(path));
    return LoadTokenizer(*model);
  }
  if (path.ends_with(".json")) return ParseTokenizerJson(bytes, path);
  if (!path.ends_with(".model")) {
    return InvalidArgument(path +
                           " is neither a GGUF file, nor a tokenizer.json or a tokenizer.model of "
                           "SentencePiece: their names must end in .json and .model");
  }
  auto definition = ReadSentencePieceModel(bytes);
  if (!definition.ok()) return definition.status().WithContext(path);
  definition->end = WellKnownEndIds(*definition);
  return MakeNamed(*std::move(definition), path);
}

}  // namespace promptcache

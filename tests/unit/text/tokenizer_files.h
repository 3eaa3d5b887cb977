// Real tokenizers for tests, and what the reference implementation makes of difficult texts.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "common/formats/gguf.h"
#include "common/text/tokenizer.h"

namespace promptcache::testing {

// Each fails the running test and gives null when the file is there but cannot be read.
// Of any file or directory that LoadTokenizerFile reads.
std::unique_ptr<Tokenizer> TokenizerOfFile(const std::filesystem::path& file);

// The public tokenizer of that golden file: "smollm2", "qwen2", "llama3", "falcon", "mpt", "llama2"
// or "stories260k"; or "llama2model", llama2 as SentencePiece has it. `tokenizers` is where they
// are.
std::unique_ptr<Tokenizer> PublicTokenizer(const std::string& name,
                                           const std::filesystem::path& tokenizers);

// A file's bytes; a file that cannot be read fails the running test.
std::string ReadText(const std::filesystem::path& path);
// tests/golden/text/NAME.json.
nlohmann::json TextGolden(const std::string& name);

// The ids, or a failure of the running test and no ids.
std::vector<TokenId> EncodeOrFail(const Tokenizer& tokenizer, std::string_view text);
// The bytes of all tokens one after the other.
std::string BytesOf(const Tokenizer& tokenizer, const std::vector<TokenId>& ids);

}  // namespace promptcache::testing

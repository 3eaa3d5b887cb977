// Splits text into the words that byte-pair encoding works on.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace promptcache {

// Immutable; safe for concurrent use.
class Pretokenizer {
 public:
  // `name` is a GGUF file's tokenizer.ggml.pre. kUnimplemented naming it and the known ones
  // otherwise.
  static Result<std::unique_ptr<const Pretokenizer>> Create(std::string_view name);
  virtual ~Pretokenizer() = default;

  // What a tokenizer.json calls the steps of a pre-tokenizer; any other step is the regular
  // expression by which it splits.
  static constexpr std::string_view kPunctuation = "Punctuation";  // runs of it
  static constexpr std::string_view kDigits = "Digits";            // runs of them
  static constexpr std::string_view kOneDigit = "Digit";
  static constexpr std::string_view kWords = "ByteLevel";       // the words of GPT-2, as bytes
  static constexpr std::string_view kBytes = "ByteLevel only";  // without cutting
  // The name of the pre-tokenizer with these steps; kUnimplemented naming them when there is none.
  static Result<std::string> NameOf(const std::vector<std::string>& steps);

  // The words in order; together they are `text`, which must be UTF-8 (kInvalidArgument otherwise).
  // Views into `text`.
  virtual Result<std::vector<std::string_view>> Split(std::string_view text) const = 0;
};

}  // namespace promptcache

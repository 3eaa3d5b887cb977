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

  // The words in order; together they are `text`, which must be UTF-8 (kInvalidArgument otherwise).
  // Views into `text`.
  virtual Result<std::vector<std::string_view>> Split(std::string_view text) const = 0;
};

}  // namespace promptcache

// What turns text into tokens when a command works without a cluster.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "common/status.h"
#include "common/text/tokenizer.h"
#include "coordinator/layout/text_encoder.h"
#include "tools/cli/commands.h"

namespace promptcache {

struct FrontEndFlags {
  std::string model;
  std::string tokenizer;
  std::string chat_template = "auto";
  uint32_t context_length = 0;

  // --model, --tokenizer, --template and --context.
  void AddTo(CLI::App& command);
};

struct FrontEnd {
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const ChatTemplate> chat_template;
  uint32_t context_length = 0;  // 0: unlimited
  std::string model;            // the GGUF file, or empty

  TextEncoder encoder() const { return {*tokenizer, *chat_template}; }
};

// The tokenizer of the model (the configured one when the flags name none), or the one named.
// kInvalidArgument when there is neither.
Result<FrontEnd> LoadFrontEnd(const CommandContext& context, const FrontEndFlags& flags);

}  // namespace promptcache

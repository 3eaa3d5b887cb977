// What the coordinator knows of the model it serves: no weights.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cluster/wire/messages.h"
#include "common/status.h"
#include "common/text/templates.h"
#include "common/text/tokenizer.h"

namespace promptcache {

struct ServedModel {
  std::string name;
  uint32_t context_length = 0;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const ChatTemplate> chat_template;
};

// Reads tokenizer and metadata of a GGUF file or a Hugging Face directory. `chat_template` as
// FindChatTemplate takes it.
Result<ServedModel> LoadServedModel(const std::string& path, const std::string& chat_template);

// Whether the worker's answers are those of this model. kFailedPrecondition saying what differs,
// kInvalidArgument for texts without end.
Status CheckWorkerModel(const WorkerReady& worker, const ServedModel& model);

}  // namespace promptcache

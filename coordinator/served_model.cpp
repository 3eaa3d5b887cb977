#include "coordinator/served_model.h"

#include "common/formats/checkpoint.h"
#include "common/text/load_tokenizer.h"

namespace promptcache {
namespace {

constexpr size_t kMaxTextBytes = 4'096;

}  // namespace

Result<ServedModel> LoadServedModel(const std::string& path, const std::string& chat_template) {
  PC_ASSIGN_OR_RETURN(const auto checkpoint, Checkpoint::Open(path));
  ServedModel model;
  PC_ASSIGN_OR_RETURN(auto tokenizer, LoadTokenizerFile(path));
  model.tokenizer = std::move(tokenizer);
  PC_ASSIGN_OR_RETURN(const std::string own_template, ReadModelTemplate(path));
  PC_ASSIGN_OR_RETURN(model.chat_template, FindChatTemplate(chat_template, own_template));
  model.context_length = static_cast<uint32_t>(checkpoint->config().shape.context_length);
  model.name = checkpoint->name();  // as workers name it: the coordinator compares
  return model;
}

Status CheckWorkerModel(const WorkerReady& worker, const ServedModel& model) {
  if (worker.identity.tokenizer != model.tokenizer->digest().ToHex()) {
    return FailedPrecondition(
        "the worker's tokenizer is not the coordinator's: both must be "
        "started with the same model file");
  }
  // What is kept for each worker and shown in the status is bounded.
  if (worker.device.size() > kMaxTextBytes)
    return InvalidArgument("the worker's device is too long");
  for (const std::string* text :
       {&worker.identity.weights, &worker.identity.positions, &worker.identity.dtype,
        &worker.identity.kv_layout, &worker.identity.encoder}) {
    if (text->size() > kMaxTextBytes) return InvalidArgument("the worker's identity is too long");
  }
  if (worker.model == model.name && worker.context_length >= model.context_length) return {};
  return FailedPrecondition(
      "the worker serves '" + worker.model + "' with " + std::to_string(worker.context_length) +
      " tokens of context, the coordinator '" + model.name + "' with " +
      std::to_string(model.context_length) + ": both must be started with the same model file");
}

}  // namespace promptcache

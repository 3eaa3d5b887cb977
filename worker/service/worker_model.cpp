#include "worker/service/worker_model.h"

#include "common/text/load_tokenizer.h"

namespace promptcache {
namespace {

Result<ComputeDtype> ParseDtype(const std::string& name) {
  if (name == "auto") return ComputeDtype::kAuto;
  if (name == "fp32") return ComputeDtype::kFp32;
  if (name == "bf16") return ComputeDtype::kBf16;
  return InvalidArgument("worker.dtype = '" + name + "' is not auto, fp32 or bf16");
}

}  // namespace

Result<std::shared_ptr<WorkerModel>> WorkerModel::Load(
    const WorkerSettings& settings,
    const std::function<void(uint64_t done, uint64_t total)>& progress) {
  if (settings.model.empty()) {
    return InvalidArgument("no model: give --model FILE.gguf or DIRECTORY, or set worker.model");
  }
  auto model = std::make_shared<WorkerModelImpl>();
  PC_ASSIGN_OR_RETURN(const ComputeDtype dtype, ParseDtype(settings.dtype));
  PC_ASSIGN_OR_RETURN(auto tokenizer, LoadTokenizerFile(settings.model));
  model->loaded_tokenizer = std::move(tokenizer);
  PC_ASSIGN_OR_RETURN(LoadedModel loaded,
                      LoadModel(settings.model, {.dtype = dtype,
                                                 .device = settings.device,
                                                 .threads = static_cast<int>(settings.threads),
                                                 .progress = progress}));
  model->loaded = std::move(loaded);
  model->loaded.identity.tokenizer = model->loaded_tokenizer->digest().ToHex();
  return std::shared_ptr<WorkerModel>(std::move(model));
}

}  // namespace promptcache

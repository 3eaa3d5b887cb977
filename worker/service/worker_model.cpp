#include "worker/service/worker_model.h"

#include "cachestore/format/compression.h"
#include "common/text/load_tokenizer.h"

namespace promptcache {
namespace {

// Errors name the setting, which is where the name came from.
Result<ComputeDtype> DtypeOf(const WorkerSettings& settings) {
  auto dtype = ParseComputeDtype(settings.dtype);
  if (!dtype.ok()) return dtype.status().WithContext("worker.dtype");
  return dtype;
}

Result<Compression> CompressionOf(const WorkerSettings& settings) {
  auto compression = ParseCompression(settings.store_compression);
  if (!compression.ok()) return compression.status().WithContext("worker.store_compression");
  return compression;
}

}  // namespace

Result<std::shared_ptr<WorkerModel>> WorkerModel::Load(
    const WorkerSettings& settings,
    const std::function<void(uint64_t done, uint64_t total)>& progress) {
  if (settings.model.empty()) {
    return InvalidArgument("no model: give --model FILE.gguf or DIRECTORY, or set worker.model");
  }
  auto model = std::make_shared<WorkerModelImpl>();
  PC_ASSIGN_OR_RETURN(const ComputeDtype dtype, DtypeOf(settings));
  PC_ASSIGN_OR_RETURN(const Compression compression, CompressionOf(settings));
  PC_ASSIGN_OR_RETURN(auto tokenizer, LoadTokenizerFile(settings.model));
  model->loaded_tokenizer = std::move(tokenizer);
  PC_ASSIGN_OR_RETURN(LoadedModel loaded,
                      LoadModel(settings.model, {.dtype = dtype,
                                                 .device = settings.device,
                                                 .threads = static_cast<int>(settings.threads),
                                                 .progress = progress}));
  model->loaded = std::move(loaded);
  model->loaded.identity.tokenizer = model->loaded_tokenizer->digest().ToHex();
  model->loaded.identity.kv_layout = compression.kv_layout;
  model->encoding = compression.encoding;
  return std::shared_ptr<WorkerModel>(std::move(model));
}

}  // namespace promptcache

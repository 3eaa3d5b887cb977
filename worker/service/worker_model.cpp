#include "worker/service/worker_model.h"

#include <utility>

#include "cachestore/format/compression.h"
#include "common/text/load_tokenizer.h"
#include "worker/engine/model_engine.h"
#include "worker/model/model.h"

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

class WorkerModelImpl : public WorkerModel {
 public:
  WorkerModelImpl(LoadedModel loaded, std::unique_ptr<Tokenizer> tokenizer, BlobEncoding encoding)
      : loaded_(std::move(loaded)), tokenizer_(std::move(tokenizer)), encoding_(encoding) {}

  const Identity& identity() const override { return loaded_.identity; }
  const Tokenizer& tokenizer() const override { return *tokenizer_; }
  const std::string& name() const override { return loaded_.name; }
  uint32_t context_length() const override {
    return static_cast<uint32_t>(loaded_.model->shape().context_length);
  }
  uint64_t kv_bytes_per_token() const override { return loaded_.model->kv_bytes_per_token(); }

  std::unique_ptr<Engine> StartEngine(EngineSetup setup) override {
    return promptcache::StartEngine({.model = loaded_.model.get(),
                                     .tokenizer = tokenizer_.get(),
                                     .store = setup.store,
                                     .format = {loaded_.identity, encoding_},
                                     .store_tier = setup.store_tier,
                                     .on_residency = std::move(setup.on_residency)},
                                    setup.options);
  }

 private:
  const LoadedModel loaded_;
  const std::unique_ptr<Tokenizer> tokenizer_;
  const BlobEncoding encoding_;
};

}  // namespace

Result<std::shared_ptr<WorkerModel>> LoadWorkerModel(
    const WorkerSettings& settings,
    const std::function<void(uint64_t done, uint64_t total)>& progress) {
  if (settings.model.empty()) {
    return InvalidArgument("no model: give --model FILE.gguf or DIRECTORY, or set worker.model");
  }
  PC_ASSIGN_OR_RETURN(const ComputeDtype dtype, DtypeOf(settings));
  PC_ASSIGN_OR_RETURN(const Compression compression, CompressionOf(settings));
  PC_ASSIGN_OR_RETURN(auto tokenizer, LoadTokenizerFile(settings.model));
  PC_ASSIGN_OR_RETURN(LoadedModel loaded,
                      LoadModel(settings.model, {.dtype = dtype,
                                                 .device = settings.device,
                                                 .threads = static_cast<int>(settings.threads),
                                                 .progress = progress}));
  loaded.identity.tokenizer = tokenizer->digest().ToHex();
  loaded.identity.kv_layout = compression.kv_layout;
  return std::shared_ptr<WorkerModel>(std::make_shared<WorkerModelImpl>(
      std::move(loaded), std::move(tokenizer), compression.encoding));
}

}  // namespace promptcache

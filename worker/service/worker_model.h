// The model behind WorkerModel. Internal to worker/service.
#pragma once

#include <memory>

#include "cachestore/format/blob.h"
#include "worker/model/model.h"
#include "worker/service/worker_service.h"

namespace promptcache {

class WorkerModelImpl : public WorkerModel {
 public:
  const Identity& identity() const override { return loaded.identity; }
  const Tokenizer& tokenizer() const override { return *loaded_tokenizer; }
  const std::string& name() const override { return loaded.name; }
  uint32_t context_length() const override {
    return static_cast<uint32_t>(loaded.model->shape().context_length);
  }

  uint64_t kv_bytes_per_token() const override { return loaded.model->kv_bytes_per_token(); }

  LoadedModel loaded;
  BlobEncoding encoding = BlobEncoding::kPlain;
  std::unique_ptr<Tokenizer> loaded_tokenizer;
};

}  // namespace promptcache

// The coordinator: parses, lays out, plans and routes prompts; owns the life of every request.
//
// Threads: everything runs on the transport's reactor thread, but for compiling schemas and
// planning prompts, which one planner thread does (a large document must not hold up heartbeats).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "cluster/transport/transport.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/status.h"
#include "common/text/templates.h"
#include "common/text/tokenizer.h"

namespace promptcache {

// What the coordinator knows of the model it serves.
struct ServedModel {
  std::string name;
  uint32_t context_length = 0;
  std::shared_ptr<const Tokenizer> tokenizer;
  const ChatTemplate* chat_template = nullptr;
};
// Reads tokenizer and metadata of a GGUF file.
Result<ServedModel> LoadServedModel(const std::string& path, const std::string& chat_template);

struct CoordinatorEndpoints {
  std::string client;
  std::string worker;
};

class Coordinator {
 public:
  // Listens for clients and workers; begins to load registered schemas when a store is configured.
  // Errors name the endpoint. Call on the reactor thread or before it runs. `transport` outlives
  // the coordinator; destroy it on the reactor thread or after it has stopped.
  static Result<std::unique_ptr<Coordinator>> Create(Transport& transport,
                                                     const CoordinatorSettings& settings,
                                                     ServedModel model);
  virtual ~Coordinator() = default;

  virtual const CoordinatorEndpoints& endpoints() const = 0;
  // Calls `ready` on the reactor thread once registered schemas are loaded, at once without a
  // store.
  virtual void WhenReady(std::function<void()> ready) = 0;
  // Ends every request with UNAVAILABLE. Nothing is accepted afterwards.
  virtual void Shutdown() = 0;
};

}  // namespace promptcache

#include "tools/chaos/engine_choice.h"

#include <filesystem>

#include "tests/integration/tiny_model_directory.h"

namespace promptcache::chaos {

std::string TinyModelIn(const std::string& directory) {
  std::filesystem::create_directories(directory);
  testing::WriteTinyModel("llama3", directory);
  return directory;
}

EngineChoice FakeEngine(const std::string& model, std::chrono::microseconds step) {
  return {model,
          "promptcache-fake-worker",
          {"--step-us", std::to_string(step.count()), "--kv-bytes-per-token", "4096"}};
}

}  // namespace promptcache::chaos

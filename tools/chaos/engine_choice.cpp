#include "tools/chaos/engine_choice.h"

#include <filesystem>

#include "tests/integration/tiny_model_directory.h"

namespace promptcache::chaos {

std::string TinyModelIn(const std::string& directory) {
  std::filesystem::create_directories(directory);
  testing::WriteTinyModel("llama3", directory);
  return directory;
}

EngineChoice FakeEngine(const std::string& model) {
  return {model, "promptcache-fake-worker", {"--step-us", "10000", "--kv-bytes-per-token", "4096"}};
}

}  // namespace promptcache::chaos

// What the workers of a run answer with.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace promptcache::chaos {

struct EngineChoice {
  std::string model;  // GGUF file or Hugging Face directory
  std::string worker_program;
  std::vector<std::string> worker_flags;
};

// Writes a tiny model into `directory`, which is created, and gives it back.
std::string TinyModelIn(const std::string& directory);

// Computes nothing, but moves blobs as the real one does. A step takes so long.
EngineChoice FakeEngine(const std::string& model, std::chrono::microseconds step);
inline EngineChoice RealEngine(const std::string& model) {
  return {model, "promptcache-worker", {}};
}

}  // namespace promptcache::chaos

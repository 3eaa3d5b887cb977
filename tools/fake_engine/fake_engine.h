// An engine that runs no model and yet does everything else: it moves real blobs, and its answers
// depend on every byte of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/text/tokenizer.h"
#include "tools/fake_engine/fake_unit.h"
#include "worker/engine/engine.h"

namespace promptcache {

// What takes the place of a model.
struct FakeModel {
  const Tokenizer* tokenizer = nullptr;  // outlives the engine
  int64_t context_length = 0;
  std::vector<TokenId> words;  // that answers are made of; not empty
  FakeFormat format;
  std::chrono::microseconds step{0};  // how long one takes
};

// As the engine of a model, but that it has no log-probabilities (kUnimplemented), and that a unit
// is encoded in one step and a prompt computed in one.
std::unique_ptr<Engine> StartFakeEngine(FakeModel model, EngineSetup setup);

}  // namespace promptcache

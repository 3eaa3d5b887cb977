// How many tokens of contexts an encoder will run, without running any.
#pragma once

#include <cstdint>
#include <memory>

#include "common/tokens.h"

namespace promptcache {

// Takes the decisions of ContextCache, unit by unit. Not thread safe.
class ContextForecast {
 public:
  ContextForecast();
  ~ContextForecast();

  // A unit behind this context (with its recipe's positions) is encoded next: the tokens of the
  // context that have to be run for it. O(context).
  uint32_t Add(const Tokens& context);

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace promptcache

// Units for tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "worker/kv/unit_encoder.h"

namespace promptcache::testing {

struct Encoded {
  UnitPtr unit;
  uint32_t computed = 0;
};

inline Encoded Encode(Model& model, ContextCache& contexts, std::shared_ptr<const Recipe> recipe) {
  UnitEncoder encoder(model, contexts, recipe->Digest(), recipe);
  for (;;) {
    const Result<bool> complete = encoder.Step();
    EXPECT_TRUE(complete.ok()) << complete.status().ToString();
    if (!complete.ok()) return {};
    if (*complete) return {encoder.Take(), encoder.computed_tokens()};
  }
}

}  // namespace promptcache::testing

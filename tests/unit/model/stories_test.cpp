// A trained model, small enough to be run in fp32 at every change: its known story, token by token.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/fakes/test_env.h"
#include "tests/unit/model/oracle.h"
#include "worker/model/model.h"

namespace promptcache {
namespace {

using testing::LogitDifference;

constexpr double kTolerance = 1e-4;  // of the logit range

TEST(Stories260K, TellsItsStory) {
  const auto data = testing::TestDataDir();
  PC_SKIP_WITHOUT(data, "the shared test data");
  const auto folder = *data / "data/weights/llama/stories260K/hf-derived";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "missing: " << folder;
  auto loaded =
      LoadModel(folder.string(), {.dtype = ComputeDtype::kFp32, .device = testing::TestDevice()});
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  Model& model = *loaded->model;

  std::ifstream text(PROMPTCACHE_GOLDEN_DIR "/stories260K.json");
  const auto golden = nlohmann::json::parse(text);
  std::vector<TokenId> tokens = golden.at("ids");
  KvBuffer own(model.shape(), model.kv_options(), 256);
  const auto run = [&](std::span<const TokenId> ids) -> std::vector<float> {
    std::vector<Position> positions;
    for (size_t i = 0; i < ids.size(); ++i) {
      positions.push_back(static_cast<Position>(own.size() + static_cast<int64_t>(i)));
    }
    SequenceStep step{.ids = ids, .positions = positions, .own = &own};
    const at::Tensor logits = model.Forward({&step, 1}).value();
    const auto* row = logits.const_data_ptr<float>();
    return {row, row + logits.size(1)};
  };

  std::vector<float> logits = run(tokens);
  EXPECT_LE(LogitDifference(logits, golden.at("prompt_logits").get<std::vector<float>>()),
            kTolerance);
  const std::vector<TokenId> story = golden.at("greedy");
  std::vector<TokenId> told;
  while (told.size() < story.size()) {
    const auto best = std::max_element(logits.begin(), logits.end());
    told.push_back(static_cast<TokenId>(best - logits.begin()));
    logits = run({&told.back(), 1});
  }
  EXPECT_EQ(told, story);
  EXPECT_LE(LogitDifference(logits, golden.at("last_logits").get<std::vector<float>>()),
            kTolerance);
}

}  // namespace
}  // namespace promptcache

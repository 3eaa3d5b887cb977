// The model against transformers on the same dequantised weights (tests/golden/model).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "tests/fakes/test_env.h"
#include "worker/model/model.h"

namespace promptcache {
namespace {

constexpr double kTolerance = 1e-3;
constexpr Position kPrefillChunk = 256;

struct Golden {
  std::vector<TokenId> ids, greedy;
  std::vector<double> largest, logsumexp;  // per step
  std::vector<float> logits;               // of the last prompt position
};

Golden ReadGolden(const std::string& name) {
  const std::string path = std::string(PROMPTCACHE_GOLDEN_DIR) + "/" + name;
  std::ifstream text(path + ".json");
  const auto json = nlohmann::json::parse(text);
  Golden golden{.ids = json.at("ids").get<std::vector<TokenId>>(),
                .greedy = json.at("greedy").get<std::vector<TokenId>>(),
                .largest = json.at("max").get<std::vector<double>>(),
                .logsumexp = json.at("logsumexp").get<std::vector<double>>(),
                .logits = std::vector<float>(49152)};
  std::ifstream binary(path + ".logits.f32", std::ios::binary);
  binary.read(reinterpret_cast<char*>(golden.logits.data()),
              static_cast<std::streamsize>(golden.logits.size() * sizeof(float)));
  EXPECT_TRUE(binary.good()) << path;
  return golden;
}

double LogSumExp(std::span<const float> logits) {
  const double peak = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - peak);
  return peak + std::log(sum);
}

class Transformers : public ::testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() {
    const auto path = testing::ModelPath();
    if (!path) return;
    auto loaded = LoadModel(path->string(), {.dtype = ComputeDtype::kFp32});
    ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
    model_ = std::move(loaded->model);
  }
  static void TearDownTestSuite() { model_ = nullptr; }
  void SetUp() override { PC_SKIP_WITHOUT(testing::ModelPath(), "SmolLM2 (tools/bootstrap)"); }

  // Runs `ids` behind what is in `own`; the logits of the last.
  static std::vector<float> Run(std::span<const TokenId> ids, KvBuffer& own) {
    std::vector<Position> positions(ids.size());
    std::iota(positions.begin(), positions.end(), static_cast<Position>(own.size()));
    SequenceStep step{.ids = ids, .positions = positions, .own = &own};
    const auto logits = model_->Forward({&step, 1});
    EXPECT_TRUE(logits.ok()) << logits.status().ToString();
    const float* row = logits->const_data_ptr<float>();
    return {row, row + logits->size(1)};
  }

  static std::unique_ptr<Model> model_;
};

std::unique_ptr<Model> Transformers::model_;

TEST_P(Transformers, SameGreedyTokensAndLogits) {
  const Golden golden = ReadGolden(GetParam());
  KvBuffer own(model_->shape(), model_->kv_options(), 512);
  std::vector<float> logits;
  for (size_t i = 0; i < golden.ids.size(); i += kPrefillChunk) {
    const size_t count = std::min<size_t>(kPrefillChunk, golden.ids.size() - i);
    logits = Run(std::span(golden.ids).subspan(i, count), own);
  }
  double worst = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    worst = std::max<double>(worst, std::abs(logits[i] - golden.logits[i]));
  }
  EXPECT_LT(worst, kTolerance);
  RecordProperty("max_delta_logit", std::to_string(worst));

  std::vector<TokenId> tokens;
  double worst_step = 0;
  for (size_t step = 0; step < golden.greedy.size(); ++step) {
    const auto best = std::max_element(logits.begin(), logits.end());
    worst_step = std::max(worst_step, std::abs(*best - golden.largest[step]));
    worst_step = std::max(worst_step, std::abs(LogSumExp(logits) - golden.logsumexp[step]));
    tokens.push_back(static_cast<TokenId>(best - logits.begin()));
    logits = Run({&tokens.back(), 1}, own);
  }
  EXPECT_EQ(tokens, golden.greedy);
  EXPECT_LT(worst_step, kTolerance);
  RecordProperty("max_delta_while_decoding", std::to_string(worst_step));
}

INSTANTIATE_TEST_SUITE_P(Prompts, Transformers,
                         ::testing::Values("short", "chat", "code", "unicode", "long"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace promptcache

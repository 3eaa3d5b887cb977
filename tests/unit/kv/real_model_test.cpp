// Exactness in fp32 on the model that people use.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "cachestore/disk/open.h"
#include "tests/fakes/test_env.h"
#include "tests/unit/cachestore/temp_dir.h"
#include "tests/unit/kv/encode.h"
#include "tests/unit/kv/load_unit.h"
#include "tests/unit/kv/recipes.h"
#include "tests/unit/model/llama_reference.h"
#include "worker/kv/unit_io.h"

namespace promptcache {
namespace {

using testing::MakeRecipe;
using testing::RandomIds;
using testing::RelativeDifference;
using testing::TokensAt;

class RealModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto path = testing::ModelPath();
    PC_SKIP_WITHOUT(path, "SmolLM2 (tools/bootstrap)");
    auto loaded = LoadModel(path->string(), {.dtype = ComputeDtype::kFp32});
    ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
    loaded_ = std::move(*loaded);
  }

  // Logits of the last of `ask`, behind the unit if one is given.
  std::vector<float> Logits(const Tokens& ask, const Unit* unit = nullptr, Position shift = 0) {
    Model& model = *loaded_.model;
    KvBuffer own(model.shape(), model.kv_options(), static_cast<int64_t>(ask.size()));
    KeyRange range;
    std::span<const KeyRange> ranges;
    if (unit != nullptr) {
      range = {.kv = &unit->kv, .rows = unit->kv.size(3), .shift = shift};
      ranges = {&range, 1};
    }
    SequenceStep step{.ids = ask.ids, .positions = ask.positions, .units = ranges, .own = &own};
    const auto logits = model.Forward({&step, 1});
    EXPECT_TRUE(logits.ok()) << logits.status().ToString();
    const float* row = logits->const_data_ptr<float>();
    return {row, row + logits->size(1)};
  }

  LoadedModel loaded_;
};

TEST_F(RealModelTest, UnitEqualsPlainPrefillWhereverItStandsAndComesBackBitForBit) {
  const auto ids = RandomIds(300, 1), question = RandomIds(8, 2);
  ContextCache contexts;
  const auto recipe = MakeRecipe({}, ids);
  const UnitPtr unit = testing::Encode(*loaded_.model, contexts, recipe).unit;

  std::vector<TokenId> all = ids;
  all.insert(all.end(), question.begin(), question.end());
  for (const Position shift : {0, 37, 2000}) {
    const std::vector<float> plain = Logits(TokensAt(all, shift));
    const std::vector<float> reused = Logits(TokensAt(question, shift + 300), unit.get(), shift);
    EXPECT_LE(RelativeDifference(reused, std::span<const float>(plain)), 1e-5) << shift;
  }

  const testing::TempDir directory;
  auto store = OpenDiskStore({.directory = directory.Sub("store")});
  ASSERT_TRUE(store.ok()) << store.status().ToString();
  ASSERT_TRUE(StoreUnit((*store)->blobs(), *unit, {loaded_.identity}).ok());
  const auto read = testing::LoadUnit((*store)->blobs(), {.key = unit->key,
                                                          .recipe = recipe,
                                                          .digest = recipe->Digest(),
                                                          .identity = &loaded_.identity,
                                                          .shape = loaded_.model->shape(),
                                                          .options = loaded_.model->kv_options()});
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  const Tokens ask = TokensAt(question, 300);
  EXPECT_EQ(Logits(ask, read->get()), Logits(ask, unit.get()));
}

}  // namespace
}  // namespace promptcache

// Answers of the engine against the model in double precision, and against the same work done
// another way.
#include <gmock/gmock.h>

#include "cachestore/disk/open.h"
#include "cachestore/memory/memory_store.h"
#include "tests/unit/cachestore/temp_dir.h"
#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/kv/recipes.h"

namespace promptcache::testing {
namespace {

using ::testing::Each;
using ::testing::Field;
using ::testing::SizeIs;

auto CameFrom(Source source) { return Each(Field(&UnitUsage::source, source)); }

class ExactnessTest : public EngineTest {
 protected:
  const TempDir directory_;
  MemoryBlobStore memory_;
  std::unique_ptr<DiskStore> disk_;
};

TEST_F(ExactnessTest, PlainPrefillEqualsTheReference) {
  Start();
  const PlanMaker prompt = PlanMaker().New(RandomIds(50, 1));
  const auto answer = Run(prompt, 24);
  ASSERT_TRUE(answer->status().ok()) << answer->status().ToString();
  EXPECT_EQ(answer->tokens(), Reference(prompt, 24));
  EXPECT_EQ(answer->usage().computed_tokens, 50u);
  EXPECT_EQ(answer->usage().generated_tokens, 24u);
  EXPECT_EQ(answer->usage().finish, FinishReason::kLength);
}

TEST_F(ExactnessTest, OneUnitCoveringEverythingEqualsPlainPrefill) {
  Start();
  std::vector<TokenId> ids = RandomIds(300, 2);
  const auto plain = Run(PlanMaker().New(ids), 32);
  const TokenId last = ids.back();
  ids.pop_back();
  const auto reused = Run(PlanMaker().Unit(MakeRecipe({}, ids)).New({last}), 32);
  ASSERT_TRUE(reused->status().ok());
  EXPECT_EQ(reused->tokens(), plain->tokens());
  EXPECT_EQ(reused->usage().cached_tokens, 299u);
  EXPECT_EQ(reused->usage().encoded_tokens, 299u);
  EXPECT_EQ(reused->usage().reused_tokens, 0u);
}

TEST_F(ExactnessTest, UnitsThatDoNotSeeEachOtherEqualTheReference) {
  Start();
  const PlanMaker prompt = PlanMaker()
                               .Unit(MakeRecipe({}, RandomIds(40, 3)))
                               .New(RandomIds(3, 4))
                               .Unit(MakeRecipe({}, RandomIds(30, 5)))
                               .Gap(100)
                               .Unit(MakeRecipe({}, RandomIds(20, 6)))
                               .New(RandomIds(6, 7));
  EXPECT_EQ(Run(prompt, 24)->tokens(), Reference(prompt, 24));
}

TEST_F(ExactnessTest, UnitMovedToAnotherPositionEqualsTheReferenceThere) {
  Start();
  const auto unit = MakeRecipe({}, RandomIds(64, 8));
  for (const Position at : {0, 1, 500, 3000}) {
    const PlanMaker prompt = PlanMaker().Gap(at).Unit(unit).New(RandomIds(5, 9));
    const auto answer = Run(prompt, 16);
    EXPECT_EQ(answer->tokens(), Reference(prompt, 16)) << at;
    EXPECT_THAT(answer->usage().units, CameFrom(at == 0 ? Source::kEncoded : Source::kDevice));
  }
}

TEST_F(ExactnessTest, UnitWithAHoleLeavesRoomForNewTokens) {
  Start();
  Recipe recipe;
  recipe.own = TokensAt(RandomIds(10, 10), 0);
  for (size_t i = 0; i < 10; ++i) recipe.own.Append(66, static_cast<Position>(20 + i));
  // Rows 0-9 and 20-29 of the unit; the argument stands at 12 to 14.
  PlanMaker prompt;
  prompt.Unit(std::make_shared<const Recipe>(recipe)).New({70, 71});
  EngineRequest request = Request(prompt, 12);
  Tokens tokens;
  for (size_t i = 0; i < 10; ++i) tokens.Append(recipe.own.ids[i], static_cast<Position>(i));
  Tokens argument;
  for (Position p = 12; p < 15; ++p) argument.Append(80 + p, p);
  Tokens all = tokens;
  for (size_t i = 0; i < 3; ++i) all.Append(argument.ids[i], argument.positions[i]);
  for (size_t i = 10; i < 20; ++i) all.Append(recipe.own.ids[i], recipe.own.positions[i]);
  all.Append(70, 30);
  all.Append(71, 31);
  argument.Append(70, 30);
  argument.Append(71, 31);
  request.plan.new_tokens = argument;
  const auto is_unit = [](size_t i) { return i < 10 || (i >= 13 && i < 23); };
  const auto expected = ReferenceGreedy(llama_, all, 32, 12, [&](size_t query, size_t key) {
    return !is_unit(query) || is_unit(key);
  });
  EXPECT_EQ(Run(std::move(request))->tokens(), expected);
}

TEST_F(ExactnessTest, HundredsOfOneTokenUnits) {
  Start();
  PlanMaker prompt;
  const auto ids = RandomIds(400, 11);
  for (const TokenId id : ids) prompt.Unit(MakeRecipe({}, {id})).Gap(id % 3);
  prompt.New(RandomIds(4, 12));
  const auto answer = Run(prompt, 12);
  ASSERT_TRUE(answer->status().ok()) << answer->status().ToString();
  EXPECT_EQ(answer->tokens(), Reference(prompt, 12));
  EXPECT_THAT(answer->usage().units, SizeIs(400));
  EXPECT_EQ(answer->usage().cached_tokens, 400u);
  // The same byte is the same unit: encoded once, however often it stands there.
  EXPECT_LE(answer->usage().encoded_tokens, 256u);
  EXPECT_THAT(Run(prompt, 12)->tokens(), answer->tokens());
}

TEST_F(ExactnessTest, SiblingsShareTheirContext) {
  Start();
  const auto context = RandomIds(200, 13);
  const auto root = MakeRecipe({}, context);
  PlanMaker prompt;
  prompt.Unit(root);
  for (uint64_t i = 0; i < 3; ++i) prompt.Unit(MakeRecipe(context, RandomIds(10, 20 + i)));
  prompt.New({65});
  const auto answer = Run(prompt, 4);
  ASSERT_TRUE(answer->status().ok());
  // 200 for the root, 200 once for the context, 10 for each.
  EXPECT_EQ(answer->usage().encoded_tokens, 430u);
}

TEST_F(ExactnessTest, LongPromptInSmallStepsGivesTheSameAnswer) {
  const PlanMaker prompt =
      PlanMaker().Unit(MakeRecipe({}, RandomIds(30, 14))).New(RandomIds(100, 15));
  for (const uint32_t chunk : {1u, 7u, 64u, 4096u}) {
    options_.prefill_chunk_tokens = chunk;
    Start();
    EXPECT_EQ(Run(prompt, 16)->tokens(), Reference(prompt, 16)) << chunk;
  }
}

// ---- through a store ----

TEST_F(ExactnessTest, UnitsFromAStoreGiveTheSameAnswer) {
  auto disk = OpenDiskStore({.directory = directory_.Sub("store")});
  ASSERT_TRUE(disk.ok()) << disk.status().ToString();
  disk_ = std::move(*disk);
  const PlanMaker prompt = PlanMaker()
                               .Unit(MakeRecipe({}, RandomIds(300, 16)))
                               .Unit(MakeRecipe(RandomIds(20, 17), RandomIds(40, 18)))
                               .New(RandomIds(5, 19));
  for (BlobStore* store : {static_cast<BlobStore*>(&memory_), &disk_->blobs()}) {
    Start(store);
    const auto cold = Run(prompt, 32);
    ASSERT_TRUE(cold->status().ok());
    EXPECT_THAT(cold->usage().units, CameFrom(Source::kEncoded));
    const auto warm = Run(prompt, 32);
    EXPECT_THAT(warm->usage().units, CameFrom(Source::kDevice));
    Start(store);  // the end of the first engine has waited for its puts
    const auto loaded = Run(prompt, 32);
    EXPECT_THAT(loaded->usage().units, CameFrom(Source::kDisk));
    EXPECT_EQ(loaded->usage().encoded_tokens, 0u);
    EXPECT_EQ(loaded->usage().reused_tokens, 340u);
    EXPECT_EQ(warm->tokens(), cold->tokens());
    EXPECT_EQ(loaded->tokens(), cold->tokens());
  }
}

// ---- several at once ----

class TogetherTest : public EngineTest, public ::testing::WithParamInterface<ComputeDtype> {};

INSTANTIATE_TEST_SUITE_P(Dtype, TogetherTest,
                         ::testing::Values(ComputeDtype::kFp32, ComputeDtype::kBf16),
                         [](const auto& test) {
                           return test.param == ComputeDtype::kFp32 ? "fp32" : "bf16";
                         });

TEST_P(TogetherTest, RequestsInOneStepAnswerAsTheyDoAlone) {
  dtype_ = GetParam();
  const auto shared = MakeRecipe({}, RandomIds(50, 30));
  std::vector<PlanMaker> prompts;
  for (uint64_t i = 0; i < 6; ++i) {
    prompts.push_back(PlanMaker()
                          .Unit(shared)
                          .Gap(static_cast<Position>(11 * i))
                          .New(RandomIds(1 + 9 * i, 40 + i)));
  }
  prompts.push_back(PlanMaker().New(RandomIds(70, 50)));
  options_.prefill_chunk_tokens = 16;
  Start();
  std::vector<std::vector<TokenId>> alone;
  for (const PlanMaker& prompt : prompts) alone.push_back(Run(prompt, 20)->tokens());
  Start();
  std::vector<std::shared_ptr<Answer>> answers;
  for (const PlanMaker& prompt : prompts) answers.push_back(Submit(Request(prompt, 20)));
  for (size_t i = 0; i < answers.size(); ++i) {
    answers[i]->Wait();
    EXPECT_EQ(answers[i]->tokens(), alone[i]) << i;
  }
}

}  // namespace
}  // namespace promptcache::testing

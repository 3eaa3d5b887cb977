// The fake engine keeps the contract of an engine.
#include "tools/fake_engine/fake_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <numeric>

#include "cachestore/memory/memory_store.h"
#include "common/text/toy_tokenizer.h"
#include "tests/unit/engine/plan_maker.h"
#include "tests/unit/kv/recipes.h"
#include "tests/unit/kv/tampering_store.h"
#include "tools/fake_engine/fake_worker_model.h"

namespace promptcache::testing {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::vector<TokenId> Ids(size_t count, TokenId first) {
  std::vector<TokenId> ids(count);
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

auto CameFrom(Source source) { return Each(Field(&UnitUsage::source, source)); }

class FakeEngineTest : public ::testing::Test {
 protected:
  void TearDown() override { engine_ = nullptr; }

  void Start(BlobStore* store = nullptr) {
    engine_ = nullptr;
    engine_ = StartFakeEngine(
        {.tokenizer = tokenizer_.get(),
         .context_length = 1 << 14,
         .words = words_,
         .format = format_,
         .step = step_},
        {.store = store, .options = options_, .on_residency = [this](UnitChanges changes) {
           changes_.push_back(std::move(changes));
         }});
  }

  EngineRequest Request(uint32_t max_new_tokens = 12) const {
    const SteadyTime now = SystemClock().Now();
    EngineRequest request{.id = RequestId::Random(),
                          .plan = prompt_.plan(),
                          .schema = "schema",
                          .version = "0123456789abcdef",
                          .options = {.max_new_tokens = max_new_tokens},
                          .received = now,
                          .deadline = now + std::chrono::hours(1)};
    for (const auto& recipe : prompt_.recipes()) request.recipes.push_back(Known(*recipe));
    return request;
  }

  std::shared_ptr<Answer> Submit(EngineRequest request) {
    auto answer = std::make_shared<Answer>();
    request.events = answer->Events();
    const Status status = engine_->Submit(std::move(request));
    EXPECT_TRUE(status.ok()) << status.ToString();
    return answer;
  }
  std::shared_ptr<Answer> Run(EngineRequest request) {
    auto answer = Submit(std::move(request));
    answer->Wait();
    return answer;
  }
  std::vector<UnitKey> Keys() const {
    std::vector<UnitKey> keys;
    for (const auto& recipe : prompt_.recipes()) {
      keys.push_back(MakeUnitKey(format_.digest, 0, recipe->Digest()));
    }
    return keys;
  }
  // Waits until a running engine has stored what it encoded.
  void StoreEverything() {
    Start(&store_);
    EXPECT_TRUE(Run(Request())->status().ok());
    engine_ = nullptr;
  }

  const PlanMaker prompt_ = PlanMaker()
                                .Unit(MakeRecipe({}, Ids(20, 100)))
                                .Unit(MakeRecipe({3, 4}, Ids(30, 200)))
                                .New(Ids(5, 7));
  const std::unique_ptr<Tokenizer> tokenizer_ = MakeToyTokenizer();
  const std::vector<TokenId> words_ =
      tokenizer_->Encode("one two three four five six seven eight nine ten").value();
  const FakeFormat format_ = FakeFormat::Make({.weights = "fake",
                                               .tokenizer = "toy",
                                               .positions = "fake",
                                               .dtype = "fp16",
                                               .kv_layout = std::string(kBlobLayout),
                                               .encoder = "fake"},
                                              BlobEncoding::kPlain, 64)
                                 .value();
  std::chrono::microseconds step_{0};
  EngineOptions options_;
  MemoryBlobStore store_;
  std::vector<UnitChanges> changes_;  // written by the engine thread until the engine has gone
  std::unique_ptr<Engine> engine_;
};

TEST_F(FakeEngineTest, SaysTheSameEverywhere) {
  Start();
  const auto here = Run(Request());
  EXPECT_TRUE(here->status().ok()) << here->status().ToString();
  EXPECT_THAT(here->tokens(), SizeIs(12));
  EXPECT_FALSE(here->text().empty());
  Start(&store_);
  EXPECT_EQ(Run(Request())->tokens(), here->tokens());
}

TEST_F(FakeEngineTest, SeedSampleAndPromptChangeTheAnswer) {
  Start();
  EngineRequest two = Request();
  two.options.samples = 2;
  const auto samples = Run(two);
  EXPECT_NE(samples->sample(0).tokens, samples->sample(1).tokens);
  EngineRequest seeded = Request();
  seeded.options.seed = 9;
  EXPECT_NE(Run(seeded)->tokens(), samples->tokens());
  EngineRequest other = Request();
  ++other.plan.new_tokens.ids[0];
  EXPECT_NE(Run(other)->tokens(), samples->tokens());
}

TEST_F(FakeEngineTest, UnitsComeFromMemoryTheStoreOrARecipe) {
  Start(&store_);
  const auto encoded = Run(Request());
  EXPECT_THAT(encoded->usage().units, AllOf(SizeIs(2), CameFrom(Source::kEncoded),
                                            Each(Field(&UnitUsage::miss_reason, "not stored"))));
  EXPECT_EQ(encoded->usage().encoded_tokens, 52u);
  EXPECT_EQ(encoded->usage().reused_tokens, 0u);
  const auto resident = Run(Request());
  EXPECT_THAT(resident->usage().units, CameFrom(Source::kDevice));
  EXPECT_EQ(resident->usage().reused_tokens, 50u);
  Start(&store_);
  const auto loaded = Run(Request());
  EXPECT_THAT(loaded->usage().units, CameFrom(Source::kDisk));
  EXPECT_EQ(loaded->tokens(), encoded->tokens());
  EXPECT_EQ(resident->tokens(), encoded->tokens());
}

TEST_F(FakeEngineTest, AnotherUnitUnderTheKeyGivesAnotherAnswer) {
  Start();
  const auto right = Run(Request());
  FakeUnit wrong = *EncodeFakeUnit(format_, Keys()[0], Known(*prompt_.recipes()[0]));
  ++wrong.kv.back();
  ASSERT_TRUE(StoreFakeUnit(store_, format_, wrong, {}).ok());
  Start(&store_);
  const auto answer = Run(Request());
  EXPECT_EQ(answer->usage().units[0].source, Source::kDisk);
  EXPECT_NE(answer->tokens(), right->tokens());
}

TEST_F(FakeEngineTest, ADamagedUnitIsEncodedAgain) {
  StoreEverything();
  TamperingStore tampered(store_);
  tampered.Flip(2 * kBlobAlignment + 1, 0x10);  // in the second layer
  Start(&tampered);
  const auto answer = Run(Request());
  EXPECT_THAT(answer->usage().units, Each(Field(&UnitUsage::miss_reason, "checksum")));
  EXPECT_EQ(tampered.corruption_reports(), 2u);
  EXPECT_EQ(engine_->stats().corruptions, 2u);
  Start();
  EXPECT_EQ(Run(Request())->tokens(), answer->tokens());
}

TEST_F(FakeEngineTest, UnitsOfAnotherDomainAreOthers) {
  Start(&store_);
  const auto shared = Run(Request());
  EngineRequest own = Request();
  own.domain = 7;
  const auto encoded = Run(own);
  EXPECT_THAT(encoded->usage().units, CameFrom(Source::kEncoded));
  EXPECT_EQ(encoded->tokens(), shared->tokens());
  own.id = RequestId::Random();
  EXPECT_THAT(Run(own)->usage().units, CameFrom(Source::kDevice));
}

TEST_F(FakeEngineTest, WarmingIsNoUse) {
  StoreEverything();
  EngineRequest warming = Request();
  warming.purpose = Purpose::kWarming;
  Start(&store_);
  EXPECT_TRUE(Run(warming)->status().ok());
  engine_ = nullptr;  // tells the store what it has not been told
  const std::vector<BlobInfo> warmed = ListAll(store_).value();
  for (const BlobInfo& blob : warmed) EXPECT_EQ(blob.use.imports, 0u);
  Start(&store_);
  EXPECT_TRUE(Run(Request())->status().ok());
  engine_ = nullptr;
  const std::vector<BlobInfo> used = ListAll(store_).value();
  for (const BlobInfo& blob : used) EXPECT_EQ(blob.use.imports, 1u);
}

TEST_F(FakeEngineTest, AStoreThatIsGoneMeansEncoding) {
  TamperingStore gone(store_);
  gone.Fail(Unavailable("no store"));
  Start(&gone);
  const auto answer = Run(Request());
  EXPECT_TRUE(answer->status().ok());
  EXPECT_THAT(answer->usage().units, Each(Field(&UnitUsage::miss_reason, "store unavailable")));
  engine_ = nullptr;
}

TEST_F(FakeEngineTest, GoesOnBehindWhatWasDelivered) {
  Start();
  EngineRequest request = Request();
  request.options.samples = 2;
  const auto whole = Run(request);
  for (size_t cut = 0; cut <= 12; ++cut) {
    EngineRequest rest = request;
    rest.id = RequestId::Random();
    for (size_t i = 0; i < 2; ++i) {
      const auto& tokens = whole->sample(i).tokens;
      rest.delivered.emplace_back(tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(cut));
    }
    const auto continued = Run(rest);
    for (size_t i = 0; i < 2; ++i) {
      const auto& tokens = whole->sample(i).tokens;
      EXPECT_EQ(continued->sample(i).tokens,
                std::vector(tokens.begin() + static_cast<ptrdiff_t>(cut), tokens.end()));
    }
    EXPECT_EQ(continued->usage().generated_tokens, whole->usage().generated_tokens);
  }
}

TEST_F(FakeEngineTest, WhatWasDeliveredWronglyShowsInTheRest) {
  Start();
  EngineRequest request = Request();
  const auto whole = Run(request);
  request.id = RequestId::Random();
  request.delivered = {{whole->tokens()[1]}};
  const auto& tokens = whole->tokens();
  EXPECT_NE(Run(request)->tokens(), std::vector(tokens.begin() + 1, tokens.end()));
}

TEST_F(FakeEngineTest, StopsWhereItIsTold) {
  Start();
  EngineRequest request = Request();
  request.options.stop_ids = {Run(Request())->tokens()[4]};
  const auto answer = Run(request);
  EXPECT_LE(answer->tokens().size(), 5u);
  EXPECT_EQ(answer->tokens().back(), request.options.stop_ids[0]);
  EXPECT_EQ(answer->usage().finish, FinishReason::kStop);
}

TEST_F(FakeEngineTest, CancelAndDeadlineDoNotWaitForAStep) {
  step_ = std::chrono::hours(1);
  Start();
  EngineRequest late = Request();
  late.deadline = SystemClock().Now() + std::chrono::milliseconds(20);
  EXPECT_EQ(Run(late)->status().code(), Code::kDeadlineExceeded);
  EngineRequest request = Request();
  const RequestId id = request.id;
  const auto answer = Submit(request);
  engine_->Cancel(id);
  answer->Wait();
  EXPECT_EQ(answer->status().code(), Code::kCancelled);
  EXPECT_EQ(answer->usage().finish, FinishReason::kCancelled);
}

TEST_F(FakeEngineTest, TellsWhatIsInMemoryUntilItIsDropped) {
  Start();
  EXPECT_TRUE(Run(Request())->status().ok());
  std::promise<RemovedUnits> removed;
  engine_->Drop(Keys(), [&](RemovedUnits units) { removed.set_value(std::move(units)); });
  EXPECT_EQ(removed.get_future().get().units, 2u);
  EXPECT_THAT(Run(Request())->usage().units, CameFrom(Source::kEncoded));
  engine_ = nullptr;
  size_t added = 0, dropped = 0;
  for (const UnitChanges& changes : changes_) {
    added += changes.added.size();
    dropped += changes.removed.size();
  }
  EXPECT_EQ(added, 4u);
  EXPECT_EQ(dropped, 2u);
}

TEST_F(FakeEngineTest, StoresWhatItEncodedBeforeItGoes) {
  StoreEverything();
  EXPECT_THAT(ListAll(store_).value(), SizeIs(2));
}

TEST(FakeWorkerModel, RefusesWhatItCannotStore) {
  const ServedModel model{.name = "toy", .tokenizer = MakeToyTokenizer()};
  WorkerSettings settings = DefaultSettings().worker;
  EXPECT_THAT(MakeFakeWorkerModel(model, settings, {.kv_bytes_per_token = 12}).status().message(),
              HasSubstr("multiple of 8"));
  settings.store_compression = "int8";
  EXPECT_THAT(MakeFakeWorkerModel(model, settings, {}).status().message(), HasSubstr("'none'"));
}

}  // namespace
}  // namespace promptcache::testing

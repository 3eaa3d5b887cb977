// How requests end, and what the engine does when something is wrong.
#include "worker/engine/engine.h"

#include <gmock/gmock.h>

#include <future>

#include "cachestore/memory/memory_store.h"
#include "common/text/detokenizer.h"
#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/kv/recipes.h"
#include "tests/unit/kv/tampering_store.h"
#include "worker/kv/unit_io.h"

namespace promptcache::testing {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint32_t kEndless = 3000;

class EngineBehaviour : public EngineTest {
 protected:
  PlanMaker Prompt(uint64_t seed = 1) const {
    return PlanMaker().Unit(MakeRecipe({}, RandomIds(40, seed))).New(RandomIds(5, seed + 1));
  }

  Status Refusal(EngineRequest request) {
    Answer answer;
    request.events = answer.Events();
    const Status status = engine_->Submit(std::move(request));
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.ToString();
    EXPECT_EQ(answer.finals(), 0);
    return status;
  }

  MemoryBlobStore memory_;
  std::optional<TamperingStore> tampering_;
};

// ---- how an answer ends ----

TEST_F(EngineBehaviour, StopIdEndsTheAnswerWithIt) {
  Start();
  const auto whole = Run(Prompt(), 12)->tokens();
  EngineRequest request = Request(Prompt(), 12);
  request.options.stop_ids = {whole[5]};
  const auto answer = Run(std::move(request));
  const auto first = std::find(whole.begin(), whole.end(), whole[5]);
  EXPECT_EQ(answer->tokens(), std::vector<TokenId>(whole.begin(), first + 1));
  EXPECT_EQ(answer->usage().finish, FinishReason::kStop);
  EXPECT_EQ(answer->usage().generated_tokens, answer->tokens().size());
}

TEST_F(EngineBehaviour, EndTokenOfTheTokenizerEndsTheAnswer) {
  Start();
  // So hot that every token is about as likely: within 500 draws an end token comes.
  EngineRequest request = Request(Prompt(), 500);
  request.options.temperature = 100;
  request.options.seed = 5;
  const auto answer = Run(std::move(request));
  const std::vector<TokenId> ends = tokenizer_->end_ids();
  ASSERT_EQ(answer->usage().finish, FinishReason::kStop);
  EXPECT_NE(std::find(ends.begin(), ends.end(), answer->tokens().back()), ends.end());
  for (size_t i = 0; i + 1 < answer->tokens().size(); ++i) {
    EXPECT_EQ(std::find(ends.begin(), ends.end(), answer->tokens()[i]), ends.end());
  }
}

TEST_F(EngineBehaviour, StopStringCutsTheTextBeforeIt) {
  Start();
  // An answer of text: random bytes seldom are, so any ASCII byte in it will do.
  const auto whole = Run(Prompt(), 64);
  const std::string& text = whole->text();
  const auto ascii =
      std::find_if(text.begin() + 1, text.end(), [](char c) { return c >= ' ' && c <= '~'; });
  ASSERT_NE(ascii, text.end());
  EngineRequest request = Request(Prompt(), 64);
  request.options.stop_strings = {std::string(1, *ascii)};
  const auto answer = Run(std::move(request));
  EXPECT_EQ(answer->text(), text.substr(0, text.find(*ascii)));
  EXPECT_EQ(answer->usage().finish, FinishReason::kStop);
  EXPECT_LT(answer->tokens().size(), 64u);
}

TEST_F(EngineBehaviour, TextOfAnAnswerIsThatOfItsTokens) {
  Start();
  const auto answer = Run(Prompt(), 64);
  StreamingDetokenizer detokenizer(*tokenizer_);
  std::string text;
  for (const TokenId id : answer->tokens()) text += detokenizer.Push(id).value();
  EXPECT_EQ(answer->text(), text + detokenizer.Flush());
}

TEST_F(EngineBehaviour, NoTokensAskedOnlyEncodes) {
  Start();
  const auto answer = Run(Prompt(), 0);
  EXPECT_TRUE(answer->status().ok());
  EXPECT_THAT(answer->tokens(), IsEmpty());
  EXPECT_EQ(answer->usage().encoded_tokens, 40u);
  EXPECT_THAT(Run(Prompt(), 1)->usage().units, Each(Field(&UnitUsage::source, Source::kDevice)));
}

TEST_F(EngineBehaviour, SameSeedSameAnswerWhateverElseRuns) {
  Start();
  const auto sampled = [&](uint64_t seed) {
    EngineRequest request = Request(Prompt(), 20);
    request.options.temperature = 1;
    request.options.seed = seed;
    return request;
  };
  const auto alone = Run(sampled(3))->tokens();
  const auto beside = Submit(Request(Prompt(7), 200));
  EXPECT_EQ(Run(sampled(3))->tokens(), alone);
  EXPECT_NE(Run(sampled(4))->tokens(), alone);
  beside->Wait();
}

TEST_F(EngineBehaviour, CancelEndsARunningRequestAndNoOther) {
  Start();
  EngineRequest request = Request(Prompt(), kEndless);
  const RequestId id = request.id;
  const auto cancelled = Submit(std::move(request));
  const auto other = Submit(Request(Prompt(5), 30));
  cancelled->WaitTokens(3);
  engine_->Cancel(id);
  engine_->Cancel(RequestId::Random());  // nobody
  cancelled->Wait();
  other->Wait();
  EXPECT_EQ(cancelled->status().code(), Code::kCancelled);
  EXPECT_EQ(cancelled->usage().finish, FinishReason::kCancelled);
  EXPECT_LT(cancelled->usage().generated_tokens, kEndless);
  EXPECT_TRUE(other->status().ok());
  EXPECT_EQ(other->tokens().size(), 30u);
  engine_ = nullptr;
  EXPECT_EQ(cancelled->finals(), 1);
}

TEST_F(EngineBehaviour, CancelEndsAWaitingRequest) {
  options_.slots = 1;
  Start();
  const auto running = Submit(Request(Prompt(), kEndless));
  EngineRequest request = Request(Prompt());
  const RequestId id = request.id;
  const auto waiting = Submit(std::move(request));
  engine_->Cancel(id);
  waiting->Wait();
  EXPECT_EQ(waiting->status().code(), Code::kCancelled);
  EXPECT_THAT(waiting->tokens(), IsEmpty());
}

TEST_F(EngineBehaviour, DeadlineEndsRunningAndWaitingRequests) {
  options_.slots = 1;
  Start();
  EngineRequest late = Request(Prompt(), kEndless);
  late.deadline = SystemClock().Now();
  EXPECT_EQ(Run(std::move(late))->status().code(), Code::kDeadlineExceeded);
  EngineRequest running = Request(Prompt(), kEndless), waiting = Request(Prompt());
  running.deadline = SystemClock().Now() + std::chrono::milliseconds(100);
  waiting.deadline = SystemClock().Now();
  const auto first = Submit(std::move(running)), second = Submit(std::move(waiting));
  first->Wait();
  second->Wait();
  EXPECT_EQ(first->status().code(), Code::kDeadlineExceeded);
  EXPECT_EQ(second->status().code(), Code::kDeadlineExceeded);
}

TEST_F(EngineBehaviour, EndOfTheEngineEndsEveryRequest) {
  options_.slots = 2;
  Start();
  std::vector<std::shared_ptr<Answer>> answers;
  for (uint64_t i = 0; i < 4; ++i) answers.push_back(Submit(Request(Prompt(i), kEndless)));
  answers[0]->WaitTokens(1);
  engine_ = nullptr;
  for (const auto& answer : answers) {
    EXPECT_EQ(answer->finals(), 1);
    EXPECT_EQ(answer->status().code(), Code::kUnavailable);
  }
}

// ---- what a request may not ask ----

TEST_F(EngineBehaviour, ContextOverflowNamesBothNumbers) {
  Start();
  const PlanMaker prompt = PlanMaker().Gap(4000).New(RandomIds(50, 1));
  EXPECT_TRUE(Run(prompt, 46)->status().ok());
  EXPECT_THAT(Refusal(Request(prompt, 47)).message(), AllOf(HasSubstr("4097"), HasSubstr("4096")));
  EXPECT_THAT(Refusal(Request(prompt, 0xffffffff)).message(), HasSubstr("4096"));
}

TEST_F(EngineBehaviour, PlansThatDoNotHoldTogetherAreRefused) {
  Start();
  EngineRequest request = Request(Prompt());
  request.recipes.clear();
  EXPECT_THAT(Refusal(request).message(), HasSubstr("recipes for 0 of 1"));
  request = Request(Prompt());
  request.recipes[0] = MakeRecipe({}, RandomIds(39, 1));
  EXPECT_THAT(Refusal(request).message(), HasSubstr("39 tokens"));
  request = Request(Prompt());
  request.recipes[0] = MakeRecipe({}, RandomIds(40, 99));
  EXPECT_THAT(Refusal(request).message(), HasSubstr("digest"));
  request = Request(Prompt());
  request.plan.segments[0].shift = 1;
  EXPECT_THAT(Refusal(request).message(), HasSubstr("positions"));
  request = Request(Prompt());
  request.plan.new_tokens.ids[0] = 260;
  EXPECT_THAT(Refusal(request).message(), HasSubstr("token id 260"));
  request = Request(PlanMaker().Unit(MakeRecipe({}, {260})).New({1}));
  EXPECT_THAT(Refusal(request).message(), HasSubstr("token id 260"));
  request = Request(PlanMaker().Unit(MakeRecipe({}, {1})));
  EXPECT_THAT(Refusal(request).message(), HasSubstr("nothing to generate from"));
  request = Request(Prompt());
  request.options.temperature = -1;
  EXPECT_THAT(Refusal(request).message(), HasSubstr("temperature"));
}

TEST_F(EngineBehaviour, MoreStopsOrUnitsThanMakeSenseAreRefused) {
  Start();
  EngineRequest request = Request(Prompt());
  request.options.stop_strings.assign(257, "x");
  EXPECT_THAT(Refusal(request).message(), HasSubstr("at most 256 stop strings"));
  request.options.stop_strings = {std::string(20'000, 'x')};
  EXPECT_THAT(Refusal(request).message(), HasSubstr("16384 bytes"));
  request = Request(Prompt());
  request.options.stop_ids.assign(257, 1);
  EXPECT_THAT(Refusal(request).message(), HasSubstr("stop ids"));
  request = Request(Prompt());
  request.plan.units.assign(kTinyContext + 1, request.plan.units[0]);
  request.recipes.assign(kTinyContext + 1, request.recipes[0]);
  EXPECT_THAT(Refusal(request).message(), HasSubstr("more units"));
}

TEST_F(EngineBehaviour, ContextLongerThanTheModelsIsRefused) {
  Start();
  const auto recipe = MakeRecipe(RandomIds(10, 1), RandomIds(4, 2), kTinyContext);
  EXPECT_THAT(Refusal(Request(PlanMaker().Unit(recipe).New({1}))).message(), HasSubstr("4096"));
}

TEST_F(EngineBehaviour, EncodingModeThatIsNotImplementedIsRefused) {
  Start();
  Recipe recipe = *MakeRecipe({}, RandomIds(4, 2));
  recipe.mode = EncodingMode::kSchema;
  const auto shared = std::make_shared<const Recipe>(recipe);
  EXPECT_THAT(Refusal(Request(PlanMaker().Unit(shared).New({1}))).message(), HasSubstr("schema"));
}

TEST_F(EngineBehaviour, FullQueueIsBusyAndSaysTheLimit) {
  options_.slots = 1;
  options_.queue_limit = 2;
  Start();
  const auto running = Submit(Request(Prompt(), kEndless));
  running->WaitTokens(1);
  const auto a = Submit(Request(Prompt())), b = Submit(Request(Prompt()));
  EngineRequest request = Request(Prompt());
  request.events = {.on_tokens = [](auto, auto) {}, .on_final = [](auto, auto) {}};
  const Status status = engine_->Submit(std::move(request));
  EXPECT_EQ(status.code(), Code::kBusy);
  EXPECT_THAT(status.message(), HasSubstr("2 requests wait"));
  EXPECT_EQ(engine_->stats().queued, 2u);
}

TEST_F(EngineBehaviour, SecondRequestUnderAnIdInUseIsRefused) {
  options_.slots = 2;
  Start();
  EngineRequest request = Request(Prompt(), kEndless);
  const EngineRequest same = request;
  const auto first = Submit(std::move(request));
  first->WaitTokens(1);
  EXPECT_EQ(Run(same)->status().code(), Code::kAlreadyExists);
  engine_->Cancel(same.id);
  first->Wait();
  EXPECT_EQ(first->status().code(), Code::kCancelled);
}

// ---- stores that fail ----

TEST_F(EngineBehaviour, DamagedBlobIsEncodedAgainWithTheSameAnswer) {
  Start(&memory_);
  const auto cold = Run(Prompt(), 12);
  engine_ = nullptr;
  const BlobInfo info = memory_.List().value().at(0);
  for (const uint64_t offset : {uint64_t{0}, uint64_t{9}, uint64_t{100}, info.bytes - 1}) {
    TamperingStore& damaged = tampering_.emplace(memory_);
    damaged.Flip(offset, 0x10);
    Start(&damaged);
    const auto answer = Run(Prompt(), 12);
    EXPECT_EQ(answer->tokens(), cold->tokens()) << offset;
    EXPECT_THAT(answer->usage().units,
                ElementsAre(AllOf(Field(&UnitUsage::source, Source::kEncoded),
                                  Field(&UnitUsage::miss_reason, "checksum"))));
    engine_ = nullptr;  // its puts are done: the blob is there again
    EXPECT_EQ(damaged.corruption_reports(), 1u);
    EXPECT_EQ(memory_.Stats()->blobs, 1u);
    Start(&memory_);
    EXPECT_THAT(Run(Prompt(), 12)->usage().units, Each(Field(&UnitUsage::source, Source::kDisk)));
    engine_ = nullptr;
  }
}

TEST_F(EngineBehaviour, CorruptionsAreCounted) {
  Start(&memory_);
  (void)Run(Prompt());
  TamperingStore& damaged = tampering_.emplace(memory_);
  damaged.Flip(64, 1);
  Start(&damaged);
  (void)Run(Prompt());
  (void)Run(PlanMaker().New({1}), 1);  // statistics are written once a step
  EXPECT_EQ(engine_->stats().corruptions, 1u);
}

TEST_F(EngineBehaviour, StoreThatIsGoneMakesTheAnswerSlowerOnly) {
  Start();
  const auto expected = Run(Prompt(), 12);
  TamperingStore& gone = tampering_.emplace(memory_);
  gone.Fail(Unavailable("connection refused"));
  Start(&gone);
  const auto answer = Run(Prompt(), 12);
  EXPECT_TRUE(answer->status().ok());
  EXPECT_EQ(answer->tokens(), expected->tokens());
  EXPECT_THAT(answer->usage().units, Each(Field(&UnitUsage::miss_reason, "store unavailable")));
}

TEST_F(EngineBehaviour, BlobOfAnotherIdentityIsAMissThatNamesTheField) {
  // Keys follow from the identity, so only a store that mixes them up gives such a blob.
  Start();
  const PlanMaker prompt = Prompt();
  ContextCache contexts;
  Unit unit = *Encode(*loaded_.model, contexts, prompt.recipes()[0]).unit;
  unit.key = MakeUnitKey(loaded_.identity.Digest(), 0, unit.digest);
  Identity other = loaded_.identity;
  other.dtype = "fp8";
  ASSERT_TRUE(StoreUnit(memory_, unit, other).ok());
  Start(&memory_);
  const auto answer = Run(prompt, 4);
  EXPECT_TRUE(answer->status().ok());
  EXPECT_THAT(answer->usage().units,
              Each(Field(&UnitUsage::miss_reason, AllOf(HasSubstr("dtype"), HasSubstr("fp8")))));
}

// ---- memory ----

// A model so large that no buffer of its keys and values can be had.
class HugeModel : public Model {
 public:
  const ModelShape& shape() const override { return shape_; }
  at::TensorOptions kv_options() const override { return at::TensorOptions().dtype(at::kFloat); }
  Result<at::Tensor> Forward(std::span<SequenceStep>) override { return Internal("unexpected"); }

 private:
  const ModelShape shape_{.layers = 1 << 20,
                          .kv_heads = 4096,
                          .head_dim = 256,
                          .vocabulary = 260,
                          .context_length = kTinyContext};
};

TEST_F(EngineBehaviour, MemoryThatCannotBeHadEndsTheRequestOnly) {
  HugeModel model;
  engine_ = Engine::Start({.model = &model, .tokenizer = tokenizer_.get()}, options_);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Run(Prompt())->status().code(), Code::kResourceExhausted);
    EXPECT_EQ(Run(PlanMaker().New({1}))->status().code(), Code::kResourceExhausted);
  }
  engine_ = nullptr;
}

TEST_F(EngineBehaviour, UnitsThatNobodyWaitsForAnyMoreAreNotEncoded) {
  PlanMaker prompt;
  for (uint64_t i = 0; i < 3; ++i) prompt.Unit(MakeRecipe({}, RandomIds(300, i)));
  EngineRequest request = Request(prompt.New({1}));
  const RequestId id = request.id;
  loaded_ = LoadTinyLlama();
  // On the engine thread, as soon as the first unit is there.
  engine_ = Engine::Start({.model = loaded_.model.get(),
                           .tokenizer = tokenizer_.get(),
                           .identity = loaded_.identity,
                           .on_residency = [&](auto) { engine_->Cancel(id); }},
                          options_);
  EXPECT_EQ(Run(std::move(request))->status().code(), Code::kCancelled);
  (void)Run(PlanMaker().New({1}), 30);  // as many steps as the other units would take, and more
  std::promise<size_t> units;
  engine_->Snapshot([&](const std::vector<UnitKey>& keys) { units.set_value(keys.size()); });
  EXPECT_EQ(units.get_future().get(), 1u);
  engine_ = nullptr;
}

TEST_F(EngineBehaviour, UnitsBeyondTheLimitGoWhenNobodyUsesThem) {
  options_.unit_cache_bytes = 3 * 40 * 2 * 3 * 2 * 16 * 4;  // three units of 40 tokens
  Start();
  for (uint64_t i = 0; i < 10; ++i) (void)Run(Prompt(10 * i), 1);
  std::promise<std::vector<UnitKey>> keys;
  engine_->Snapshot([&](std::vector<UnitKey> found) { keys.set_value(std::move(found)); });
  EXPECT_EQ(keys.get_future().get().size(), 3u);
  EXPECT_LE(engine_->stats().unit_bytes, options_.unit_cache_bytes);
}

TEST_F(EngineBehaviour, RequestLargerThanTheCacheStillAnswers) {
  options_.unit_cache_bytes = 1;
  Start();
  const PlanMaker prompt = PlanMaker()
                               .Unit(MakeRecipe({}, RandomIds(40, 1)))
                               .Unit(MakeRecipe({}, RandomIds(40, 2)))
                               .New(RandomIds(5, 3));
  EXPECT_EQ(Run(prompt, 12)->tokens(), Reference(prompt, 12));
}

TEST_F(EngineBehaviour, RequestsForOneUnitEncodeItOnce) {
  Start();
  std::vector<std::shared_ptr<Answer>> answers;
  const auto unit = MakeRecipe({}, RandomIds(300, 1));
  for (TokenId i = 0; i < 5; ++i) {
    answers.push_back(Submit(Request(PlanMaker().Unit(unit).New({i}), 4)));
  }
  uint32_t encoded = 0;
  for (const auto& answer : answers) {
    answer->Wait();
    EXPECT_TRUE(answer->status().ok());
    encoded += answer->usage().encoded_tokens;
  }
  EXPECT_EQ(encoded, 300u);
}

}  // namespace
}  // namespace promptcache::testing

// Answers that go on behind what was delivered of them.
#include <gmock/gmock.h>

#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/kv/recipes.h"

namespace promptcache::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using SampleTokens = std::vector<std::vector<TokenId>>;

// An answer part by part.
struct Transcript {
  std::vector<AnswerPart> parts;
  Status status;
  Usage usage;

  // Of the first `count` parts, by sample.
  SampleTokens Tokens(size_t count, uint32_t samples) const {
    SampleTokens tokens(samples);
    for (size_t i = 0; i < count; ++i) {
      auto& of_sample = tokens[parts[i].sample];
      of_sample.insert(of_sample.end(), parts[i].tokens.begin(), parts[i].tokens.end());
    }
    return tokens;
  }
  std::vector<std::string> Text(size_t count, uint32_t samples) const {
    std::vector<std::string> text(samples);
    for (size_t i = 0; i < count; ++i) text[parts[i].sample] += parts[i].text;
    return text;
  }
};

SampleTokens Joined(SampleTokens a, const SampleTokens& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i].insert(a[i].end(), b[i].begin(), b[i].end());
  return a;
}
std::vector<std::string> Joined(std::vector<std::string> a, const std::vector<std::string>& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

std::vector<std::string> Characters(const std::string& text) {
  std::vector<std::string> characters;
  for (const char byte : text) {
    const bool goes_on = (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
    if (!goes_on) characters.emplace_back();
    characters.back() += byte;
  }
  return characters;
}
std::string Joined(std::span<const std::string> pieces) {
  std::string text;
  for (const std::string& piece : pieces) text += piece;
  return text;
}

class Continuation : public EngineTest {
 protected:
  Continuation() { options_.prefill_chunk_tokens = 16; }

  EngineRequest Asked(uint32_t samples, double temperature) const {
    const PlanMaker prompt =
        PlanMaker().Unit(MakeRecipe({}, RandomIds(40, 1))).New(RandomIds(21, 2));
    EngineRequest request = Request(prompt, 24);
    request.options.samples = samples;
    request.options.temperature = temperature;
    request.options.seed = 5;
    request.options.repetition_penalty = 1.3;
    return request;
  }

  Transcript Play(EngineRequest request) {
    Transcript transcript;  // written by the engine's thread until the final
    Answer answer;
    request.events = answer.Events();
    request.events.on_part = [&transcript](AnswerPart part) {
      transcript.parts.push_back(std::move(part));
    };
    const Status status = engine_->Submit(std::move(request));
    EXPECT_TRUE(status.ok()) << status.ToString();
    if (status.ok()) answer.Wait();
    transcript.status = answer.status();
    transcript.usage = answer.usage();
    return transcript;
  }

  // Cuts the answer behind each part, and has it continued. How many cuts there were.
  size_t ExpectSameAnswerBehindEachCut(const EngineRequest& request) {
    const uint32_t samples = request.options.samples;
    const Transcript whole = Play(request);
    EXPECT_TRUE(whole.status.ok()) << whole.status.ToString();
    const size_t parts = whole.parts.size();
    for (size_t cut = 0; cut <= parts; ++cut) {
      EngineRequest rest = request;
      rest.id = RequestId::Random();
      rest.delivered = whole.Tokens(cut, samples);
      const Transcript continued = Play(std::move(rest));
      EXPECT_TRUE(continued.status.ok()) << continued.status.ToString();
      const size_t more = continued.parts.size();
      EXPECT_EQ(more, parts - cut);
      EXPECT_EQ(Joined(whole.Tokens(cut, samples), continued.Tokens(more, samples)),
                whole.Tokens(parts, samples))
          << "cut behind part " << cut;
      EXPECT_EQ(Joined(whole.Text(cut, samples), continued.Text(more, samples)),
                whole.Text(parts, samples))
          << "cut behind part " << cut;
      EXPECT_EQ(continued.usage.generated_tokens, whole.usage.generated_tokens);
      EXPECT_EQ(continued.usage.samples, whole.usage.samples);
      EXPECT_EQ(continued.usage.finish, whole.usage.finish);
    }
    return parts;
  }
};

TEST_F(Continuation, IsTheAnswerThatWasNotInterrupted) {
  Start();
  for (const double temperature : {0.0, 1.0}) {
    for (const uint32_t samples : {1u, 3u}) {
      SCOPED_TRACE(::testing::Message() << samples << " samples at " << temperature);
      EXPECT_EQ(ExpectSameAnswerBehindEachCut(Asked(samples, temperature)), 24 * samples);
    }
  }
}

TEST_F(Continuation, SamplesThatHadEndedDoNotGoOn) {
  Start();
  EngineRequest request = Asked(3, 1);
  const Transcript whole = Play(request);
  // Ends the first sample early.
  request.options.stop_ids = {whole.Tokens(whole.parts.size(), 3)[0][4]};
  EXPECT_LT(ExpectSameAnswerBehindEachCut(request), 68u);
}

// Every byte is a token of the small model, so that drawn answers are full of halves of characters.
TEST_F(Continuation, WithheldTextComesWithTheNextPart) {
  Start();
  EngineRequest request = Asked(1, 1);
  const Transcript plain = Play(request);
  const auto characters = Characters(plain.Text(plain.parts.size(), 1)[0]);
  const size_t count = characters.size();
  ASSERT_GT(count, 8u);
  // One that is withheld to the end, and does not come to be.
  request.options.stop_strings = {Joined(std::span(characters).last(3)) + "never"};
  (void)ExpectSameAnswerBehindEachCut(request);
  request.options.stop_strings = {Joined(std::span(characters).subspan(count / 2, 3))};
  EXPECT_LT(ExpectSameAnswerBehindEachCut(request), 24u);
}

TEST_F(Continuation, LogprobsAreOfTheNewTokens) {
  Start();
  EngineRequest request = Asked(1, 0);
  request.options.logprobs = 2;
  const Transcript whole = Play(request);
  request.delivered = whole.Tokens(10, 1);
  const Transcript continued = Play(request);
  ASSERT_THAT(continued.parts, SizeIs(14));
  for (size_t i = 0; i < continued.parts.size(); ++i) {
    ASSERT_THAT(continued.parts[i].logprobs, SizeIs(1));
    EXPECT_EQ(continued.parts[i].logprobs[0].chosen.id, whole.parts[10 + i].tokens[0]);
  }
}

TEST_F(Continuation, OfAWholeAnswerIsItsFinalAlone) {
  Start();
  EngineRequest request = Asked(2, 1);
  const Transcript whole = Play(request);
  request.delivered = whole.Tokens(whole.parts.size(), 2);
  const Transcript continued = Play(request);
  EXPECT_TRUE(continued.status.ok());
  EXPECT_THAT(continued.parts, IsEmpty());
  EXPECT_EQ(continued.usage.generated_tokens, 48u);
  EXPECT_EQ(continued.usage.finish, FinishReason::kLength);
}

TEST_F(Continuation, WhatStandsBehindTheEndDoesNotCount) {
  Start();
  EngineRequest request = Asked(1, 0);
  request.options.stop_ids = {7};
  request.delivered = {{5, 7, 9, 9}};
  const Transcript continued = Play(request);
  EXPECT_TRUE(continued.status.ok());
  EXPECT_THAT(continued.parts, IsEmpty());
  EXPECT_EQ(continued.usage.generated_tokens, 2u);
  EXPECT_EQ(continued.usage.finish, FinishReason::kStop);
}

TEST_F(Continuation, BehindWhatCannotBeIsRefused) {
  Start();
  const auto refusal = [&](SampleTokens delivered) {
    EngineRequest request = Asked(2, 0);
    request.delivered = std::move(delivered);
    const Status status = engine_->Submit(std::move(request));
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    return status.message();
  };
  EXPECT_THAT(refusal({{1}, {1}, {}}), HasSubstr("3 samples"));
  EXPECT_THAT(refusal({{}, std::vector<TokenId>(25, 1)}), HasSubstr("25 tokens"));
  EXPECT_THAT(refusal({{1'000'000}}), HasSubstr("1000000"));
  EXPECT_THAT(refusal({{}, {-1}}), HasSubstr("-1"));
}

}  // namespace
}  // namespace promptcache::testing

#include "cluster/wire/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/unit/wire/sample_messages.h"

namespace promptcache {
namespace {

using testing::GoldenMessage;
using testing::GoldenMessages;
using ::testing::HasSubstr;
using testing::SampleEnvelopes;
using RunMessage = promptcache::Run;  // inside a test, Run is the test's own

TEST(WireCodec, SamplesCoverEveryMessageTypeInOrder) {
  const auto samples = SampleEnvelopes();
  ASSERT_EQ(samples.size(), std::variant_size_v<Message>);
  for (size_t i = 0; i < samples.size(); ++i) EXPECT_EQ(samples[i].body.index(), i);
}

TEST(WireCodec, EveryMessageSurvivesARoundTrip) {
  for (const GoldenMessage& golden : GoldenMessages()) {
    const auto decoded = DecodeEnvelope(EncodeEnvelope(golden.envelope));
    ASSERT_TRUE(decoded.ok()) << golden.file << ": " << decoded.status().ToString();
    EXPECT_EQ(*decoded, golden.envelope) << golden.file;
  }
}

template <size_t... I>
std::vector<Envelope> DefaultEnvelopes(std::index_sequence<I...>) {
  return {Envelope{.body = std::variant_alternative_t<I, Message>{}}...};
}

TEST(WireCodec, EveryDefaultMessageSurvivesARoundTrip) {
  for (const Envelope& envelope :
       DefaultEnvelopes(std::make_index_sequence<std::variant_size_v<Message>>())) {
    const auto decoded = DecodeEnvelope(EncodeEnvelope(envelope));
    ASSERT_TRUE(decoded.ok()) << MessageName(envelope.body) << ": " << decoded.status().ToString();
    EXPECT_EQ(*decoded, envelope) << MessageName(envelope.body);
  }
}

TEST(WireCodec, DecodesAtEveryAlignment) {
  for (const auto& [file, sample] : GoldenMessages()) {
    const auto bytes = EncodeEnvelope(sample);
    for (size_t shift = 1; shift < 8; ++shift) {
      std::vector<uint8_t> shifted(shift, 0xee);
      shifted.insert(shifted.end(), bytes.begin(), bytes.end());
      const auto decoded = DecodeEnvelope(std::span(shifted).subspan(shift));
      ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
      EXPECT_EQ(*decoded, sample);
    }
  }
}

TEST(WireCodec, RefusesEveryTruncation) {
  for (const auto& [file, sample] : GoldenMessages()) {
    const auto bytes = EncodeEnvelope(sample);
    for (size_t size = 0; size < bytes.size(); ++size) {
      // An exact copy, so that a read past the end is seen by the address sanitizer.
      const std::vector<uint8_t> cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
      const auto decoded = DecodeEnvelope(cut);
      // The last bytes may be padding: then the value is still whole.
      if (decoded.ok()) {
        EXPECT_EQ(*decoded, sample);
      }
      if (size < bytes.size() / 2) {
        EXPECT_FALSE(decoded.ok());
      }
    }
  }
}

TEST(WireCodec, FlippedBitsNeverCrashAndWhatDecodesEncodesAgain) {
  size_t decoded_count = 0;
  for (const auto& [file, sample] : GoldenMessages()) {
    const auto bytes = EncodeEnvelope(sample);
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      auto damaged = bytes;
      damaged[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
      const auto decoded = DecodeEnvelope(damaged);
      if (!decoded.ok()) {
        ASSERT_EQ(decoded.status().code(), Code::kInvalidArgument);
        continue;
      }
      ++decoded_count;
      const auto again = DecodeEnvelope(EncodeEnvelope(*decoded));
      ASSERT_TRUE(again.ok()) << again.status().ToString();
      ASSERT_EQ(*again, *decoded);
    }
  }
  EXPECT_GT(decoded_count, 0u);
}

TEST(WireCodec, RefusesAnotherFileIdentifier) {
  auto bytes = EncodeEnvelope({.body = Ping{}});
  bytes[4] = 'X';
  const auto decoded = DecodeEnvelope(bytes);
  ASSERT_FALSE(decoded.ok());
  EXPECT_THAT(decoded.status().message(), HasSubstr("file identifier"));
}

TEST(WireCodec, RefusesEmptyAndTextInput) {
  EXPECT_FALSE(DecodeEnvelope({}).ok());
  const std::string text(4096, 'A');
  EXPECT_FALSE(DecodeEnvelope({reinterpret_cast<const uint8_t*>(text.data()), text.size()}).ok());
}

void ExpectRefused(const Message& body, const std::string& reason) {
  const auto decoded = DecodeEnvelope(EncodeEnvelope({.body = body}));
  ASSERT_FALSE(decoded.ok()) << reason;
  EXPECT_EQ(decoded.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(decoded.status().message(), HasSubstr(reason));
}

TEST(WireCodec, RefusesEnumValuesOutsideTheirRange) {
  ExpectRefused(Hello{.role = PeerRole{0}}, "hello role has the unknown value 0");
  ExpectRefused(Hello{.role = PeerRole{6}}, "hello role");
  ExpectRefused(Reply{.code = Code{13}}, "reply code");
  ExpectRefused(Submit{.reuse = ReuseMode{3}}, "submit reuse");
  ExpectRefused(Submit{.repair = Repair{4}}, "submit repair");
  ExpectRefused(Final{.code = Code{200}}, "final code");
  ExpectRefused(Final{.usage = {.finish = FinishReason{5}}}, "usage finish");
  ExpectRefused(Final{.usage = {.samples = {{.finish = FinishReason{9}}}}}, "usage finish");
  ExpectRefused(Final{.usage = {.units = {{.source = Source{0}}}}}, "unit usage source");
  ExpectRefused(RunMessage{.plan = {.repair = Repair{9}}}, "plan repair");
  ExpectRefused(RecipeReply{.recipes = {{.mode = EncodingMode{0}}}}, "recipe mode");
  ExpectRefused(Done{.code = Code{99}}, "done code");
  ExpectRefused(BlobListReply{.blobs = {{.mode = EncodingMode{5}}}}, "blob mode");
  ExpectRefused(BlobExistsReply{.present = {0, 2}}, "present");
}

TEST(WireCodec, RefusesNumbersThatAreNotFinite) {
  ExpectRefused(Submit{.options = {.temperature = std::numeric_limits<double>::quiet_NaN()}},
                "temperature");
  ExpectRefused(Heartbeat{.backlog_seconds = std::numeric_limits<double>::infinity()},
                "backlog_seconds");
}

TEST(WireCodec, RefusesPartsOfSamplesThatCannotBe) {
  ExpectRefused(Partial{.sample = 64}, "partial sample 64 is over the limit of 64");
  ExpectRefused(Partial{.sample = 0xffffffff}, "partial sample");
}

TEST(WireCodec, RefusesLogprobsOfOtherTokens) {
  ExpectRefused(Partial{.tokens = {1, 2}, .logprobs = {{}}}, "2 tokens but logprobs of 1");
  ExpectRefused(Partial{.logprobs = {{}}}, "0 tokens but logprobs of 1");
  ExpectRefused(
      Partial{.tokens = {1}, .logprobs = {{{1, -std::numeric_limits<double>::infinity()}, {}}}},
      "logprob is not a finite number");
  ExpectRefused(Partial{.tokens = {1},
                        .logprobs = {{{1, 0}, {{2, std::numeric_limits<double>::quiet_NaN()}}}}},
                "logprob is not a finite number");
}

TEST(WireCodec, RefusesTokensWithoutPositions) {
  RunMessage run;
  run.plan.new_tokens.ids = {1, 2};
  run.plan.new_tokens.positions = {0};
  ExpectRefused(run, "2 ids but 1 positions");
}

TEST(WireCodec, RefusesNamesBeyondTheirLimits) {
  ExpectRefused(Hello{.name = std::string(257, 'n')}, "hello name");
  ExpectRefused(Hello{.capabilities = std::vector<std::string>(65, "c")}, "capabilities");
  const auto decoded =
      DecodeEnvelope(EncodeEnvelope({.trace = std::string(257, 't'), .body = Ping{}}));
  EXPECT_FALSE(decoded.ok());
}

TEST(WireCodec, CarriesAPlanOf65536Units) {
  RunMessage run;
  for (uint32_t i = 0; i < 65'536; ++i) {
    const auto position = static_cast<Position>(i);
    run.plan.units.push_back({.path = "s/" + std::to_string(i), .tokens = 1});
    run.plan.segments.push_back({i, 0, 1, position, position});
  }
  run.plan.next_position = 65'536;
  const Envelope envelope{.body = run};
  const auto decoded = DecodeEnvelope(EncodeEnvelope(envelope));
  ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
  EXPECT_EQ(*decoded, envelope);
}

TEST(WireCodec, NamesAreUniqueAndInSnakeCase) {
  std::set<std::string_view> names;
  for (const Envelope& sample : SampleEnvelopes()) names.insert(MessageName(sample.body));
  EXPECT_EQ(names.size(), std::variant_size_v<Message>);
  EXPECT_TRUE(names.contains("submit"));
  EXPECT_TRUE(names.contains("schema_add"));
  EXPECT_TRUE(names.contains("blob_exists_reply"));
}

}  // namespace
}  // namespace promptcache

// Messages that no encoder of ours writes: each is refused with a reason.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>

#include "cluster/wire/codec.h"
#include "tests/unit/wire/sample_messages.h"
#include "tests/unit/wire/wire_bytes.h"

namespace promptcache {
namespace {

using testing::GoldenMessages;
using ::testing::HasSubstr;
using testing::SampleEnvelopes;
using testing::WireBytes;
using RunMessage = promptcache::Run;  // inside a test, Run is the test's own

WireBytes BytesOf(const Message& body) {
  return WireBytes(EncodeEnvelope({.request_id = RequestId::Random(), .body = body}));
}

// The sample of a message type.
template <typename T>
WireBytes SampleOf() {
  for (const Envelope& sample : SampleEnvelopes()) {
    if (std::holds_alternative<T>(sample.body)) return WireBytes(EncodeEnvelope(sample));
  }
  throw std::logic_error("no sample");
}

void ExpectRefused(const WireBytes& bytes, const std::string& reason) {
  const auto decoded = DecodeEnvelope(bytes.bytes());
  ASSERT_FALSE(decoded.ok()) << "wanted: " << reason;
  EXPECT_EQ(decoded.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(decoded.status().message(), HasSubstr(reason));
}

TEST(HostileWire, RefusesAnUnknownMessageType) {
  for (const int type : {0, static_cast<int>(std::variant_size_v<Message>) + 1, 255}) {
    WireBytes bytes = SampleOf<Submit>();
    bytes.Set<uint8_t>(bytes.Field(bytes.Root(), WireBytes::kType), static_cast<uint8_t>(type));
    ExpectRefused(bytes, "message type " + std::to_string(type) + " is unknown");
  }
}

TEST(HostileWire, RefusesAnotherVersion) {
  WireBytes bytes = SampleOf<Hello>();
  bytes.Set<uint16_t>(bytes.Field(bytes.Root(), WireBytes::kVersion), 2);
  ExpectRefused(bytes, "message version 2 is not spoken here, only 1");
}

TEST(HostileWire, RefusesAnEnvelopeWithoutBodyIdOrVersion) {
  for (const auto& [field, reason] : {std::pair(WireBytes::kBody, "has no body"),
                                      std::pair(WireBytes::kRequestId, "has no request id"),
                                      std::pair(WireBytes::kVersion, "message version 0"),
                                      std::pair(WireBytes::kType, "message type 0")}) {
    WireBytes bytes = SampleOf<Submit>();
    bytes.Remove(bytes.Root(), field);
    ExpectRefused(bytes, reason);
  }
}

template <typename T>
void ExpectNeeds(int field, const std::string& reason) {
  WireBytes bytes = SampleOf<T>();
  bytes.Remove(bytes.Body(), field);
  ExpectRefused(bytes, reason);
}

TEST(HostileWire, RefusesBodiesWithoutWhatTheyNeed) {
  ExpectNeeds<Hello>(0, "hello: hello role has the unknown value 0");
  ExpectNeeds<Submit>(2, "submit: options is missing");
  ExpectNeeds<Final>(2, "final: usage is missing");
  ExpectNeeds<WorkerReady>(3, "worker_ready: identity is missing");
  ExpectNeeds<RunMessage>(0, "run: plan is missing");
  ExpectNeeds<FetchBlob>(0, "fetch_blob: fetch key is missing");
  ExpectNeeds<PutBlob>(0, "put_blob: put key is missing");
  ExpectNeeds<BlobRemove>(0, "blob_remove: blob key is missing");
  // Tables of one shape share their description: a plan without tokens leaves this one alone.
  WireBytes run = BytesOf(RunMessage{});
  run.Remove(run.Body(), 1);
  ExpectRefused(run, "run: options is missing");
}

TEST(HostileWire, RefusesNestedTablesWithoutWhatTheyNeed) {
  WireBytes list = SampleOf<BlobListReply>();
  const size_t record = list.Follow(list.Follow(list.Field(list.Body(), 0)) + 4);
  list.Remove(record, 2);
  ExpectRefused(list, "blob_list_reply: identity is missing");

  WireBytes run = SampleOf<RunMessage>();
  const size_t plan = run.Follow(run.Field(run.Body(), 0));
  const size_t unit = run.Follow(run.Follow(run.Field(plan, 0)) + 4);
  run.Remove(unit, 0);
  ExpectRefused(run, "run: plan unit digest is missing");
}

TEST(HostileWire, RefusesVectorsThatClaimMoreThanTheMessageHolds) {
  for (const uint32_t count : {4u, 1'000'000u, 0x3fffffffu, 0x40000000u, 0xffffffffu}) {
    WireBytes bytes = BytesOf(Partial{.tokens = {1, 2, 3}});
    bytes.Set<uint32_t>(bytes.Follow(bytes.Field(bytes.Body(), 1)), count);
    const auto decoded = DecodeEnvelope(bytes.bytes());
    // The fourth token may still lie in the message's other bytes: then it reads as any number.
    if (count == 4 && decoded.ok()) continue;
    ExpectRefused(bytes, "damaged");
  }
}

TEST(HostileWire, RefusesOffsetsOutOfTheMessage) {
  for (const uint32_t offset : {0u, 1u, 100'000u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    WireBytes bytes = BytesOf(Partial{.text = "text"});
    bytes.Set<uint32_t>(bytes.Field(bytes.Body(), 2), offset);
    ExpectRefused(bytes, "damaged");
  }
}

TEST(HostileWire, RefusesTextsThatShareTheirBytes) {
  // 1,000 small strings, and then all of them are the long one.
  Submit submit;
  submit.options.stop_strings.assign(1'000, "s");
  submit.options.stop_strings[0] = std::string(10'000, 'l');
  WireBytes bytes = BytesOf(submit);
  const size_t options = bytes.Follow(bytes.Field(bytes.Body(), 2));
  const size_t strings = bytes.Follow(bytes.Field(options, 7));
  const size_t text = bytes.Follow(strings + 4);
  for (size_t i = 1; i < 1'000; ++i) {
    const size_t place = strings + 4 + 4 * i;
    bytes.Set<uint32_t>(place, static_cast<uint32_t>(text - place));
  }
  ExpectRefused(bytes, "submit: the message uses the same bytes more than once");
}

TEST(HostileWire, CountsTheItemsOfAVector) {
  Submit submit;
  submit.options.stop_strings.assign(1 << 18, "s");
  EXPECT_TRUE(DecodeEnvelope(BytesOf(submit).bytes()).ok());
  submit.options.stop_strings.emplace_back("s");
  ExpectRefused(BytesOf(submit), "stop_strings has 262145 items, the limit is 262144");
}

TEST(HostileWire, RefusesMessagesOfImpossibleSizeUnread) {
  const std::vector<uint8_t> small(15);
  EXPECT_THAT(DecodeEnvelope(small).status().message(),
              HasSubstr("15 bytes is outside the limits"));
  // Its pages are never touched.
  constexpr size_t kTooLarge = (size_t{256} << 20) + 1;
  const auto large = std::make_unique_for_overwrite<uint8_t[]>(kTooLarge);
  EXPECT_THAT(DecodeEnvelope({large.get(), kTooLarge}).status().message(),
              HasSubstr("268435457 bytes is outside the limits"));
}

TEST(HostileWire, RefusesRecipesThatShareTheirHiddenRanges) {
  const Recipe many{.hidden = std::vector<RowRange>(1'000, RowRange{1, 1})};
  const Recipe one{.hidden = {{1, 1}}};
  WireBytes bytes = BytesOf(RecipeReply{.recipes = {many, one}});
  const size_t recipes = bytes.Follow(bytes.Field(bytes.Body(), 0));
  const size_t ranges = bytes.Follow(bytes.Field(bytes.Follow(recipes + 4), 3));
  const size_t place = bytes.Field(bytes.Follow(recipes + 8), 3);
  ASSERT_LT(place, ranges);
  bytes.Set<uint32_t>(place, static_cast<uint32_t>(ranges - place));
  ExpectRefused(bytes, "recipe_reply: the message uses the same bytes more than once");
}

TEST(HostileWire, CountsTheSourcesOfASchema) {
  const SchemaAdd add{.sources = std::vector<SourceFile>((1 << 18) + 1, SourceFile{"a", ""})};
  ExpectRefused(BytesOf(add), "schema_add: sources has 262145 items, the limit is 262144");
}

TEST(HostileWire, RefusesSourcesThatShareTheirText) {
  SchemaAdd add{.sources = {{"a", std::string(10'000, 't')}, {"b", "t"}}};
  WireBytes bytes = BytesOf(add);
  const size_t sources = bytes.Follow(bytes.Field(bytes.Body(), 3));
  const size_t text = bytes.Follow(bytes.Field(bytes.Follow(sources + 4), 1));
  const size_t place = bytes.Field(bytes.Follow(sources + 8), 1);
  ASSERT_LT(place, text);
  bytes.Set<uint32_t>(place, static_cast<uint32_t>(text - place));
  ExpectRefused(bytes, "schema_add: the message uses the same bytes more than once");
}

TEST(HostileWire, RefusesAGreetingWithALongCapability) {
  const auto hello = [](size_t bytes) {
    return BytesOf(Hello{.role = PeerRole::kClient, .capabilities = {std::string(bytes, 'c')}});
  };
  EXPECT_TRUE(DecodeEnvelope(hello(256).bytes()).ok());
  ExpectRefused(hello(257), "hello: hello capability is longer than 256 bytes");
}

TEST(HostileWire, RefusesUsageThatWouldBeLargeToRemember) {
  Final final;
  final.usage.worker = std::string(257, 'w');
  ExpectRefused(BytesOf(final), "final: usage worker is longer than 256 bytes");
  final.usage.worker.clear();
  final.usage.samples.resize(GenerationOptions::kMaxSamples + 1);
  ExpectRefused(BytesOf(final), "final: usage has 65 samples, the limit is 64");
}

// Its items are one and the same; `padding` bytes make the message larger.
WireBytes BatchOfOneItemManyTimes(size_t items, size_t padding) {
  BatchAdd add{.items = std::vector<BatchItem>(2)};
  add.items[1].submit.prompt = std::string(padding, 'p');
  add.items[1].submit.options.stop_ids.assign(items, 0);
  WireBytes bytes = BytesOf(add);
  // The second item's stop ids become the offsets of the items.
  const size_t field = bytes.Field(bytes.Body(), 0);
  const size_t old = bytes.Follow(field);
  const size_t submit = bytes.Follow(bytes.Field(bytes.Follow(old + 8), 1));
  const size_t ids = bytes.Follow(bytes.Field(bytes.Follow(bytes.Field(submit, 2)), 6));
  const size_t item = bytes.Follow(old + 4);
  bytes.Set<uint32_t>(field, static_cast<uint32_t>(ids - field));
  for (size_t i = 0; i < items; ++i) {
    const size_t place = ids + 4 + 4 * i;
    bytes.Set<uint32_t>(place, static_cast<uint32_t>(item - place));
  }
  return bytes;
}

TEST(HostileWire, RefusesABatchOfTooManyItemsBeforeTheyAreRead) {
  ExpectRefused(BatchOfOneItemManyTimes(1 << 18, 1 << 20),
                "batch_add: a batch of 262144 items, the limit is 65536");
}

TEST(HostileWire, CountsWhatEachItemOfABatchTakesWithAllThatIsInIt) {
  // As large as if each item had an offset and an empty table of its own.
  constexpr size_t kItems = 65'536;
  ExpectRefused(BatchOfOneItemManyTimes(kItems, kItems * 4),
                "batch_add: the message uses the same bytes more than once");
  const BatchAdd add{.items = std::vector<BatchItem>(kItems)};
  EXPECT_TRUE(DecodeEnvelope(BytesOf(add).bytes()).ok());
}

TEST(HostileWire, OverwrittenBytesNeverCrash) {
  for (const auto& [file, sample] : GoldenMessages()) {
    const auto bytes = EncodeEnvelope(sample);
    for (size_t at = 0; at < bytes.size(); ++at) {
      for (const uint8_t value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
        auto damaged = bytes;
        damaged[at] = value;
        const auto decoded = DecodeEnvelope(damaged);
        if (!decoded.ok()) {
          ASSERT_EQ(decoded.status().code(), Code::kInvalidArgument);
        }
      }
    }
  }
}

}  // namespace
}  // namespace promptcache

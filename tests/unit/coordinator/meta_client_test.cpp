#include "coordinator/meta_client.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "cachestore/memory/memory_store.h"
#include "tests/unit/coordinator/fake_store.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;

class MetaClientTest : public ::testing::Test {
 protected:
  MetaClientTest() {
    EXPECT_TRUE(first_.Start().ok());
    EXPECT_TRUE(second_.Start().ok());
    network_.Advance(milliseconds(100));
  }

  // What a call ends with.
  template <typename Call>
  Result<MetaClient::Records> Wait(Call call) {
    std::optional<Result<MetaClient::Records>> answer;
    call([&](Result<MetaClient::Records> records) { answer = std::move(records); });
    network_.Advance(milliseconds(1000));
    if (!answer) return Internal("no answer");
    return *std::move(answer);
  }
  void Put(const std::string& key, const std::string& value) {
    ASSERT_TRUE(records_.CompareAndSet(key, 0, value).ok());
  }

  FakeNetwork network_;
  MemoryMetaStore records_;
  FakeStore store_{network_, records_};
  FakeTransport transport_{network_, "coordinator"};
  MetaClient first_{transport_, FakeStore::kEndpoint};
  MetaClient second_{transport_, FakeStore::kEndpoint};
};

TEST_F(MetaClientTest, ListGathersEveryPage) {
  for (int i = 0; i < 10; ++i) Put("schema/" + std::to_string(i), std::string(1000, 'x'));
  Put("other", "x");
  store_.SetPageBytes(3'000);
  const size_t before = store_.requests();
  const auto records = Wait([&](auto done) { first_.List("schema/", done); });
  ASSERT_TRUE(records.ok()) << records.status().ToString();
  ASSERT_EQ(records->size(), 10u);
  for (int i = 0; i < 10; ++i) EXPECT_EQ((*records)[i].key, "schema/" + std::to_string(i));
  EXPECT_EQ(store_.requests() - before, 5u);
}

TEST_F(MetaClientTest, ListThatFailsOnALaterPageFails) {
  for (int i = 0; i < 3; ++i) Put("schema/" + std::to_string(i), std::string(1000, 'x'));
  Put("schema/9", std::string(5'000, 'x'));
  store_.SetPageBytes(3'000);
  EXPECT_EQ(Wait([&](auto done) { first_.List("schema/", done); }).status().code(),
            Code::kResourceExhausted);
}

TEST_F(MetaClientTest, OneOfTwoSwapsOfARevisionWins) {
  std::vector<std::string> ends;
  std::vector<uint64_t> revisions;
  for (MetaClient* client : {&first_, &second_}) {
    client->Swap({.key = "owner", .value = "x"}, [&](const Result<MetaClient::Records>& swapped) {
      ends.emplace_back(CodeName(swapped.status().code()));
      if (swapped.ok()) revisions.push_back(swapped->front().revision);
    });
  }
  network_.Advance(milliseconds(100));
  EXPECT_EQ(ends, (std::vector<std::string>{"ok", "failed precondition"}));
  EXPECT_EQ(revisions, std::vector<uint64_t>{1});
}

TEST_F(MetaClientTest, SwapUnderALostFenceWritesNothing) {
  Put("owner", "first");
  const MetaSet set{.key = "result", .value = "x", .fence = "owner", .fence_revision = 1};
  ASSERT_TRUE(records_.CompareAndSet("owner", 1, "second").ok());
  EXPECT_EQ(Wait([&](auto done) { first_.Swap(set, done); }).status().code(),
            Code::kFailedPrecondition);
  EXPECT_EQ(records_.Get("result").value(), std::nullopt);
}

}  // namespace
}  // namespace promptcache::testing

// Batches through a whole coordinator: from a client to a worker and back.
#include <gmock/gmock.h>

#include "tests/unit/coordinator/coordinator_fixture.h"
#include "tests/unit/coordinator/session_events.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::SizeIs;
using RunMessage = struct Run;

class CoordinatorBatches : public CoordinatorTest {
 protected:
  CoordinatorBatches() { settings_.store_endpoint = FakeStore::kEndpoint; }

  // Answers what the worker was given since the last call; how much that was.
  int AnswerRuns(TestPeer& worker) {
    int runs = 0;
    for (; read_ < worker.inbox().size(); ++read_) {
      const Envelope envelope = worker.inbox()[read_];
      if (!std::holds_alternative<RunMessage>(envelope.body)) continue;
      ++runs;
      const RequestId& id = envelope.request_id;
      worker.Send(id, Partial{.tokens = {7}, .text = "yes"}, envelope.attempt);
      worker.Send(id, Final{.usage = {.generated_tokens = 1}}, envelope.attempt);
    }
    Pass(milliseconds(500));
    return runs;
  }
  BatchReply Query(TestPeer& client, const BatchQuery& query) {
    const RequestId id = IdOf(++last_id_);
    client.Send(id, query);
    Pass();
    return client.Last<BatchReply>(id);
  }

 private:
  size_t read_ = 0;
};

TEST_F(CoordinatorBatches, ItemsAreRequestsAndTheirAnswersAreKept) {
  Start();
  const auto client = Client();
  const auto worker = Worker();
  Register(*client, kSupportSchema);
  const RequestId id = IdOf(200);
  client->Send(
      id, BatchAdd{{{.name = "a", .submit = SubmitOf("<prompt schema=\"support\">hi</prompt>")},
                    {.name = "b", .submit = SubmitOf("<prompt schema=\"nope\">hi</prompt>")},
                    {.name = "c", .submit = SubmitOf("<prompt schema=\"support\">ho</prompt>")}}});
  Pass(milliseconds(500));
  EXPECT_EQ(client->Last<BatchReply>(id).batches.at(0).items, 3u);
  EXPECT_EQ(AnswerRuns(*worker), 2);

  const BatchReply reply = Query(*client, {.batch = id});
  ASSERT_THAT(reply.results, SizeIs(3));
  EXPECT_EQ(reply.results[0].samples.at(0).text, "yes");
  EXPECT_EQ(reply.results[1].final.code, Code::kNotFound);
  EXPECT_EQ(reply.results[2].name, "c");
  EXPECT_EQ(reply.batches.at(0).ended, 3u);
  EXPECT_EQ(reply.batches.at(0).failed, 1u);
  EXPECT_EQ(StatusFor(*client).requests_active, 0u);
}

TEST_F(CoordinatorBatches, ItemsWaitBehindTheRequestsOfClients) {
  Start();
  const auto client = Client();
  const auto worker = Worker();
  Register(*client, kSupportSchema);
  BatchAdd add;
  const Submit submit = SubmitOf("<prompt schema=\"support\">batch</prompt>");
  for (int i = 0; i < 8; ++i) add.items.push_back({.submit = submit});
  client->Send(IdOf(200), add);
  Pass(milliseconds(500));
  const RequestId asked = SendPrompt(*client, "<prompt schema=\"support\">hi</prompt>");
  const auto runs_of_batch = [&] {
    size_t runs = 0;
    for (const Envelope& envelope : worker->inbox()) {
      if (std::holds_alternative<RunMessage>(envelope.body) && envelope.request_id != asked) ++runs;
    }
    return runs;
  };
  const size_t before = runs_of_batch();
  ASSERT_LT(before, 8u) << "the worker is full, and the rest waits";
  // The worker ends one request; its place is for the client's.
  for (const Envelope& envelope : std::vector<Envelope>(worker->inbox())) {
    if (!std::holds_alternative<RunMessage>(envelope.body)) continue;
    worker->Send(envelope.request_id, Final{}, envelope.attempt);
    break;
  }
  Pass();
  EXPECT_EQ(runs_of_batch(), before);
  EXPECT_EQ(worker->Last<RunMessage>(asked).schema, "support");
}

}  // namespace
}  // namespace promptcache::testing

#include "tests/unit/coordinator/coordinator_fixture.h"

#include "tests/unit/coordinator/session_events.h"

namespace promptcache::testing {

const char kSupportSchema[] =
    "<schema name=\"support\">you help customers"
    "<module name=\"order\">order number <param name=\"number\" len=\"3\"/> was made</module>"
    "<union><module name=\"short\">be short</module>"
    "<module name=\"long\">be thorough</module></union></schema>";

Submit SubmitOf(const std::string& prompt) {
  return {.prompt = prompt, .options = {.max_new_tokens = 8}};
}

TestPeer::TestPeer(FakeNetwork& network, const std::string& endpoint, const Hello& hello,
                   std::vector<Message> introduction, std::shared_ptr<PeerKey> key)
    : transport_(network, hello.name) {
  if (key) transport_.SetKey(std::move(key));
  ConnectionOptions options;
  options.connect = {.endpoint = endpoint, .max_message_bytes = 96 << 20};
  options.hello = hello;
  connection_ = std::make_unique<Connection>(
      transport_, options,
      ConnectionEvents{
          .on_up =
              [this, introduction = std::move(introduction)](const HelloAck&) {
                for (const Message& message : introduction) Send({}, message);
              },
          .on_down = [this](const Status& why) { down_ = why.message(); },
          .on_message = [this](Envelope envelope,
                               const Frame&) { inbox_.push_back(std::move(envelope)); }});
  EXPECT_TRUE(connection_->Start().ok());
}

void TestPeer::Send(const RequestId& id, Message body, uint32_t attempt) {
  const Status sent =
      connection_->Send({.request_id = id, .attempt = attempt, .body = std::move(body)});
  EXPECT_TRUE(sent.ok()) << sent.ToString();
}

void TestPeer::SendTimed(const RequestId& id, Message body, std::chrono::milliseconds timeout) {
  const Status sent = connection_->Send({.request_id = id,
                                         .timeout_ms = static_cast<uint64_t>(timeout.count()),
                                         .body = std::move(body)});
  EXPECT_TRUE(sent.ok()) << sent.ToString();
}

std::string TestPeer::Words() {
  std::string words;
  for (; read_ < inbox_.size(); ++read_) {
    words += (words.empty() ? "" : "; ") + BodyWords(inbox_[read_]);
  }
  return words;
}

CoordinatorTest::CoordinatorTest() : settings_(DefaultSettings().coordinator) {
  model_ = {.name = "toy",
            .context_length = kContext,
            .tokenizer = MakeToyTokenizer(),
            .chat_template = *FindChatTemplate("none", "")};
}

CoordinatorDeps CoordinatorTest::Deps() {
  auto planning = std::make_unique<FakeBackground>(*transport_);
  planning_ = planning.get();
  return {.clock = &network_.clock(),
          .compiling = std::make_unique<FakeBackground>(*transport_),
          .planning = std::move(planning),
          .tenants = limits_};
}

void CoordinatorTest::Start() {
  if (!settings_.store_endpoint.empty()) store_.emplace(network_, records_);
  transport_ = std::make_unique<FakeTransport>(network_, "coordinator");
  auto created = Coordinator::Create(*transport_, settings_, model_, Deps());
  ASSERT_TRUE(created.ok()) << created.status().ToString();
  coordinator_ = *std::move(created);
  Pass(std::chrono::seconds(3));
}

std::unique_ptr<TestPeer> CoordinatorTest::Client(const std::string& name) {
  auto client = std::make_unique<TestPeer>(network_, coordinator_->endpoints().client,
                                           Hello{.role = PeerRole::kClient, .name = name});
  Pass();
  EXPECT_TRUE(client->up()) << client->down();
  return client;
}

std::unique_ptr<TestPeer> CoordinatorTest::ClientOf(const std::string& tenant, PeerRole role) {
  const std::string name = "of-" + tenant;
  auto client = std::make_unique<TestPeer>(
      network_, coordinator_->endpoints().client, Hello{.role = role, .name = name},
      std::vector<Message>{},
      std::make_shared<PeerKey>(KeyOwner{.name = name, .role = role, .tenant = tenant}));
  Pass();
  EXPECT_TRUE(client->up()) << client->down();
  return client;
}

WorkerReady CoordinatorTest::ReadyFor(const ServedModel& model) const {
  return {.pid = 7,
          .model = model.name,
          .device = "cpu",
          .identity = {.weights = "w", .tokenizer = model.tokenizer->digest().ToHex()},
          .context_length = model.context_length,
          .slots = 2};
}

std::unique_ptr<TestPeer> CoordinatorTest::Worker(const std::string& name, uint64_t epoch) {
  auto worker = std::make_unique<TestPeer>(
      network_, coordinator_->endpoints().worker,
      Hello{.role = PeerRole::kWorker, .name = name, .epoch = epoch},
      std::vector<Message>{ReadyFor(model_), Residency{.seq = 1, .snapshot = true}});
  Pass();
  EXPECT_TRUE(worker->up()) << worker->down();
  return worker;
}

std::string CoordinatorTest::Register(TestPeer& client, const std::string& document) {
  const RequestId id = IdOf(++last_id_);
  client.Send(id, SchemaAdd{.document = document});
  Pass();
  const auto reply = client.Last<SchemaReply>(id);
  client.Words();
  EXPECT_EQ(reply.schemas.size(), 1u);
  return reply.schemas.empty() ? "" : reply.schemas[0].version;
}

RequestId CoordinatorTest::SendPrompt(TestPeer& client, const std::string& prompt) {
  const RequestId id = IdOf(++last_id_);
  client.Send(id, SubmitOf(prompt));
  Pass();
  return id;
}

Final CoordinatorTest::Failure(TestPeer& client, const std::string& prompt) {
  const size_t before = client.inbox().size();
  const RequestId id = SendPrompt(client, prompt);
  EXPECT_EQ(client.inbox().size(), before + 1) << "one Final and nothing else";
  return client.Last<Final>(id);
}

StatusReply CoordinatorTest::StatusFor(TestPeer& client) {
  const RequestId id = IdOf(++last_id_);
  client.Send(id, StatusQuery{});
  Pass(std::chrono::milliseconds(0));
  return client.Last<StatusReply>(id);
}

}  // namespace promptcache::testing

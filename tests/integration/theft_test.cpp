// Links with keys: who has a key of its own gets at nobody else's requests, and what was recorded
// of a session is of no use.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "cluster/client/client.h"
#include "cluster/transport/connection.h"
#include "common/text/toy_tokenizer.h"
#include "coordinator/coordinator.h"
#include "tests/fakes/reactor_thread.h"
#include "tests/unit/transport/key_files.h"
#include "tools/chaos/raw_peer.h"

namespace promptcache::testing {
namespace {

using chaos::RawPeer;
using chaos::TcpAddress;

uint16_t PortOf(const std::string& endpoint) {
  return static_cast<uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)));
}

// Says what it likes over a link with a key of its own.
class Intruder {
 public:
  Intruder(const LinkKey& key, const std::string& endpoint)
      : reactor_(ZmqTransportOptions{.security = {.own = key}}) {
    reactor_.Call([&] {
      connection_ = std::make_unique<Connection>(
          reactor_.transport(),
          ConnectionOptions{.connect = {.endpoint = endpoint},
                            .hello = {.role = key.owner.role, .name = key.owner.name}},
          ConnectionEvents{
              .on_up = [this](const HelloAck&) { up_.Push(true); },
              .on_message = [this](Envelope envelope,
                                   const Frame&) { answers_.Push(std::move(envelope)); }});
      EXPECT_TRUE(connection_->Start().ok());
      return 0;
    });
    EXPECT_TRUE(up_.Pop().has_value());
  }
  ~Intruder() {
    reactor_.Call([this] {
      connection_.reset();
      return 0;
    });
  }

  void Send(const Envelope& envelope) {
    EXPECT_TRUE(reactor_.Call([&] { return connection_->Send(envelope); }).ok());
  }
  std::optional<Envelope> Answer() { return answers_.Pop(); }
  // When it has been answered, what was sent before has been heard.
  StatusReply Status() {
    Send({.request_id = RequestId::Random(), .body = StatusQuery{}});
    const auto answer = Answer();
    const auto* status = answer ? std::get_if<StatusReply>(&answer->body) : nullptr;
    EXPECT_NE(status, nullptr);
    return status == nullptr ? StatusReply() : *status;
  }

 private:
  ReactorThread reactor_;
  std::unique_ptr<Connection> connection_;
  Inbox<bool> up_;
  Inbox<Envelope> answers_;
};

class TheftTest : public ::testing::Test {
 protected:
  TheftTest() {
    CoordinatorSettings settings = DefaultSettings().coordinator;
    settings.client_endpoint = settings.worker_endpoint = "tcp://127.0.0.1:*";
    settings.worker_wait_ms = 600'000;  // there is no worker; requests wait
    coordinator_ = reactor_.Call([&] {
      return *Coordinator::Create(reactor_.transport(), settings,
                                  {.name = "toy",
                                   .context_length = 4'096,
                                   .tokenizer = MakeToyTokenizer(),
                                   .chat_template = *FindChatTemplate("none", "")});
    });
    endpoint_ = coordinator_->endpoints().client;
    victim_ = ConnectAlice(endpoint_);
  }
  ~TheftTest() override {
    victim_.reset();
    reactor_.Call([this] {
      coordinator_.reset();
      return 0;
    });
  }

  LinkSecurity AllowAll() const {
    files_.Allow({alice_, carol_, mallory_, ops_});
    return files_.Listener(server_);
  }
  std::unique_ptr<Client> ConnectAlice(const std::string& endpoint) const {
    auto client = Client::Connect({.endpoints = {endpoint}, .key_file = files_.Path("alice.key")});
    EXPECT_TRUE(client.ok()) << client.status().ToString();
    return client.ok() ? *std::move(client) : nullptr;
  }
  static SchemaAdd Schema() {
    return {.document = "<schema name=\"s\">text<module name=\"m\">module</module></schema>"};
  }
  // One of alice's that waits.
  RequestId StartRequest() {
    EXPECT_TRUE(victim_->AddSchema(Schema()).ok());
    const RequestId id = victim_->SubmitAsync({.prompt = kPrompt}, {}, nullptr,
                                              [this](Answer answer) { ends_.Push(answer.status); });
    EXPECT_TRUE(Eventually([&] { return victim_->GetStatus()->requests_active == 1; }));
    return id;
  }
  // Still alice's own to end.
  void ExpectUntouched(const RequestId& id) {
    EXPECT_EQ(ends_.TryPop(), std::nullopt);
    victim_->Cancel(id);
    const auto end = ends_.Pop();
    ASSERT_TRUE(end);
    EXPECT_EQ(end->code(), Code::kCancelled) << end->ToString();
  }

  static constexpr char kPrompt[] = "<prompt schema=\"s\"><m/>hello</prompt>";
  const KeyFiles files_;
  const LinkKey server_ = NewKey({.name = "coordinator", .role = PeerRole::kCoordinator});
  const LinkKey alice_ =
      files_.Make({.name = "alice", .role = PeerRole::kClient, .tenant = "acme"});
  const LinkKey carol_ = NewKey({.name = "carol", .role = PeerRole::kClient, .tenant = "acme"});
  const LinkKey mallory_ = NewKey({.name = "mallory", .role = PeerRole::kClient, .tenant = "evil"});
  const LinkKey ops_ = NewKey({.name = "ops", .role = PeerRole::kAdmin});
  ReactorThread reactor_{ZmqTransportOptions{.security = AllowAll()}};
  std::unique_ptr<Coordinator> coordinator_;
  std::string endpoint_;
  Inbox<Status> ends_;
  std::unique_ptr<Client> victim_;
};

TEST_F(TheftTest, CancellingAnothersRequestIsNotHeard) {
  const RequestId id = StartRequest();
  for (const LinkKey& key : {carol_, mallory_}) {
    Intruder intruder(key, endpoint_);
    intruder.Send({.request_id = id, .attempt = ~0u, .body = Cancel{}});
    const bool same_tenant = key.owner.tenant == alice_.owner.tenant;
    EXPECT_EQ(intruder.Status().requests_active, same_tenant ? 1u : 0u) << key.owner.name;
  }
  ExpectUntouched(id);
}

TEST_F(TheftTest, SendingAnothersRequestAgainDoesNotTakeIt) {
  const RequestId id = StartRequest();
  const Envelope again{.request_id = id,
                       .attempt = 65'536,
                       .body = Submit{.prompt = kPrompt, .tried = {"tcp://127.0.0.1:1"}}};
  // Under another key the id means nothing, be it of the same tenant: the request is a new one.
  for (const LinkKey& key : {carol_, mallory_}) {
    Intruder intruder(key, endpoint_);
    intruder.Send(again);
    intruder.Send({.request_id = id, .attempt = 65'536, .body = Cancel{}});
    const auto answer = intruder.Answer();
    ASSERT_TRUE(answer);
    EXPECT_FALSE(std::holds_alternative<Partial>(answer->body)) << key.owner.name;
    const auto* final = std::get_if<Final>(&answer->body);
    // Who has no such schema may hear of that before the cancel is read.
    const bool has_schema = key.owner.tenant == alice_.owner.tenant;
    const bool is_new = final == nullptr || final->code == Code::kCancelled ||
                        (!has_schema && final->code == Code::kNotFound);
    EXPECT_TRUE(is_new) << key.owner.name << ": " << final->message;
  }
  ExpectUntouched(id);
}

TEST_F(TheftTest, AnotherTenantsRequestIsNotExplained) {
  const RequestId id = StartRequest();
  Intruder mallory(mallory_, endpoint_);
  for (const std::optional<RequestId>& asked : {std::optional(id), std::optional<RequestId>()}) {
    mallory.Send({.request_id = RequestId::Random(), .body = ExplainQuery{.request = asked}});
    const auto answer = mallory.Answer();
    ASSERT_TRUE(answer);
    // Nothing is known of that one, and there is no slowest one.
    const auto* explained = std::get_if<ExplainReply>(&answer->body);
    const auto* reply = std::get_if<Reply>(&answer->body);
    EXPECT_TRUE(explained == nullptr || explained->requests.empty());
    EXPECT_TRUE(reply == nullptr || reply->code == Code::kNotFound);
  }
  ExpectUntouched(id);
}

// Passes one connection on and remembers what its client said.
class Recorder {
 public:
  explicit Recorder(uint16_t target)
      : target_(target), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_.get(), 1), 0);
    EXPECT_EQ(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Relay(); });
  }
  ~Recorder() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
  }
  uint16_t port() const { return port_; }
  // When the connection has ended.
  const std::string& Recorded() {
    if (thread_.joinable()) thread_.join();
    return recorded_;
  }

 private:
  static sockaddr_in Loopback(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
  }

  void Relay() {
    const FileDescriptor client(::accept(listener_.get(), nullptr, nullptr));
    const FileDescriptor server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in to = Loopback(target_);
    ASSERT_EQ(::connect(server.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)), 0);
    pollfd ends[2] = {{.fd = client.get(), .events = POLLIN},
                      {.fd = server.get(), .events = POLLIN}};
    while (::poll(ends, 2, -1) > 0) {
      for (const int from : {0, 1}) {
        if (ends[from].revents == 0) continue;
        char bytes[4096];
        const ssize_t count = ::recv(ends[from].fd, bytes, sizeof(bytes), 0);
        if (count <= 0) return;
        if (from == 0) recorded_.append(bytes, static_cast<size_t>(count));
        (void)::send(ends[1 - from].fd, bytes, static_cast<size_t>(count), MSG_NOSIGNAL);
      }
    }
  }

  const uint16_t target_;
  const FileDescriptor listener_;
  uint16_t port_ = 0;
  std::string recorded_;
  std::thread thread_;
};

TEST_F(TheftTest, ARecordedSessionSaidAgainIsNotHeard) {
  const std::string address = endpoint_.substr(0, endpoint_.find('#'));
  const std::string key = endpoint_.substr(endpoint_.find('#'));
  Recorder recorder(PortOf(address));
  {
    const auto client = ConnectAlice("tcp://127.0.0.1:" + std::to_string(recorder.port()) + key);
    ASSERT_NE(client, nullptr);
    ASSERT_TRUE(client->AddSchema(Schema()).ok());
    const Answer answer =
        client->Submit({.prompt = kPrompt}, {.deadline = std::chrono::seconds(1)});
    ASSERT_EQ(answer.status.code(), Code::kDeadlineExceeded) << answer.status.ToString();
  }
  const std::string session = recorder.Recorded();
  ASSERT_GT(session.size(), 500u);
  Intruder ops(ops_, endpoint_);
  ASSERT_EQ(ops.Status().requests_accepted, 1u);
  for (int i = 0; i < 3; ++i) {
    RawPeer replay(TcpAddress{"127.0.0.1", PortOf(address)});
    replay.SendRaw(session);
    replay.Leave();
  }
  EXPECT_TRUE(Eventually([&] { return reactor_.transport().counters().failed_handshakes >= 3; }));
  const StatusReply status = ops.Status();
  EXPECT_EQ(status.requests_accepted, 1u);
  EXPECT_EQ(status.requests_active, 0u);
  EXPECT_EQ(status.bad_frames, 0u);
}

}  // namespace
}  // namespace promptcache::testing

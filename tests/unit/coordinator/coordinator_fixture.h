// A coordinator with clients, workers and a cachestore on a network in memory.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cachestore/memory/memory_store.h"
#include "cluster/transport/connection.h"
#include "common/text/toy_tokenizer.h"
#include "coordinator/coordinator.h"
#include "tests/fakes/fake_transport.h"
#include "tests/unit/coordinator/fake_background.h"
#include "tests/unit/coordinator/fake_store.h"

namespace promptcache::testing {

// A client or a worker, as a process of its own. Its destruction is the death of that process.
class TestPeer {
 public:
  // `introduction` is sent each time the link comes up.
  TestPeer(FakeNetwork& network, const std::string& endpoint, const Hello& hello,
           std::vector<Message> introduction = {}, std::shared_ptr<PeerKey> key = nullptr);

  bool up() const { return connection_->up(); }
  // Why the link was refused or lost the last time.
  const std::string& down() const { return down_; }

  void Send(const RequestId& id, Message body, uint32_t attempt = 0);
  void SendTimed(const RequestId& id, Message body, std::chrono::milliseconds timeout);

  // What arrived since the last call: "accepted", "partial 0", "final ok", "run attempt 0", ...
  std::string Words();
  // The last body of this kind that arrived for the request. Fails the test when there is none.
  template <typename T>
  T Last(const RequestId& id) const {
    for (auto envelope = inbox_.rbegin(); envelope != inbox_.rend(); ++envelope) {
      const T* body = std::get_if<T>(&envelope->body);
      if (body != nullptr && envelope->request_id == id) return *body;
    }
    ADD_FAILURE() << transport_.name() << " did not get it";
    return {};
  }
  const std::vector<Envelope>& inbox() const { return inbox_; }

 private:
  FakeTransport transport_;
  std::string down_;
  std::vector<Envelope> inbox_;
  size_t read_ = 0;
  std::unique_ptr<Connection> connection_;
};

class CoordinatorTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kContext = 64;

  CoordinatorTest();

  // What a coordinator on transport_ is built on.
  CoordinatorDeps Deps();
  // Starts the coordinator with `settings_`, and with the store when they name one.
  void Start();
  std::unique_ptr<TestPeer> Client(const std::string& name = "client");
  // With a key of this tenant.
  std::unique_ptr<TestPeer> ClientOf(const std::string& tenant, PeerRole role = PeerRole::kClient);
  // A worker that has said that it is ready.
  std::unique_ptr<TestPeer> Worker(const std::string& name = "w1", uint64_t epoch = 1);
  WorkerReady ReadyFor(const ServedModel& model) const;

  void Pass(std::chrono::milliseconds time = std::chrono::milliseconds(100)) {
    network_.Advance(time);
  }
  // Registers through `client`; returns the version.
  std::string Register(TestPeer& client, const std::string& document);
  // Sends a prompt and lets time pass; returns the id.
  RequestId SendPrompt(TestPeer& client, const std::string& prompt);
  // The Final of a prompt that ends without a worker's help.
  Final Failure(TestPeer& client, const std::string& prompt);
  StatusReply StatusFor(TestPeer& client);

  FakeNetwork network_;
  MemoryMetaStore records_;
  std::optional<FakeStore> store_;
  CoordinatorSettings settings_;
  TenantLimits limits_;
  ServedModel model_;
  std::unique_ptr<FakeTransport> transport_;
  FakeBackground* planning_ = nullptr;  // the coordinator's
  std::unique_ptr<Coordinator> coordinator_;
  uint8_t last_id_ = 0;
};

// Small enough an answer for the context.
Submit SubmitOf(const std::string& prompt);

// A schema with a root, a module with a parameter of 3 tokens, and a union.
extern const char kSupportSchema[];

}  // namespace promptcache::testing

// A coordinator with its real threads and sockets: what the fakes cannot show.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "cluster/client/client.h"
#include "common/config.h"
#include "common/text/toy_tokenizer.h"
#include "coordinator/coordinator.h"
#include "tests/fakes/reactor_thread.h"

namespace promptcache::testing {
namespace {

// Lives on a reactor thread.
class RunningCoordinator {
 public:
  RunningCoordinator() {
    CoordinatorSettings settings = DefaultSettings().coordinator;
    settings.client_endpoint = "tcp://127.0.0.1:*";
    settings.worker_endpoint = "tcp://127.0.0.1:*";
    settings.worker_wait_ms = 0;
    coordinator_ = reactor_.Call([&] {
      return *Coordinator::Create(reactor_.transport(), settings,
                                  {.name = "toy",
                                   .context_length = 4'096,
                                   .tokenizer = MakeToyTokenizer(),
                                   .chat_template = *FindChatTemplate("none", "")});
    });
    endpoint_ = coordinator_->endpoints().client;
  }
  ~RunningCoordinator() { End(); }

  void End() {
    reactor_.Call([this] {
      coordinator_.reset();
      return 0;
    });
  }
  std::unique_ptr<Client> Connect() {
    auto client = Client::Connect({.endpoints = {endpoint_}});
    EXPECT_TRUE(client.ok()) << client.status().ToString();
    return client.ok() ? *std::move(client) : nullptr;
  }

 private:
  ReactorThread reactor_;
  std::unique_ptr<Coordinator> coordinator_;
  std::string endpoint_;
};

SchemaAdd SchemaOf(int n) {
  return {.document = "<schema name=\"s\">text " + std::to_string(n) +
                      "<module name=\"m\">module</module></schema>"};
}

TEST(CoordinatorThreads, ClientsThatRegisterAndSubmitAtOnceAreAllAnswered) {
  RunningCoordinator coordinator;
  ASSERT_TRUE(coordinator.Connect()->AddSchema(SchemaOf(0)).ok());
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      const auto client = coordinator.Connect();
      for (int n = 0; n < 20; ++n) {
        if (n % 5 == thread && !client->AddSchema(SchemaOf(n)).ok()) ++wrong;
        const Answer good = client->Submit({.prompt = "<prompt schema=\"s\"><m/>hello</prompt>"});
        // There is no worker; that it was planned shows in the code.
        if (good.status.code() != Code::kUnavailable || good.version.empty()) ++wrong;
        const Answer bad = client->Submit({.prompt = "<prompt schema=\"s\"><nope/></prompt>"});
        if (bad.status.code() != Code::kInvalidArgument) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  const auto status = coordinator.Connect()->GetStatus();
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->requests_active, 0u);
  EXPECT_EQ(status->requests_accepted, 80u);
  EXPECT_EQ(status->requests_failed, 160u);
}

TEST(CoordinatorThreads, CoordinatorMayGoWhileItCompilesAndPlans) {
  RunningCoordinator coordinator;
  auto client = coordinator.Connect();
  ASSERT_TRUE(client->AddSchema(SchemaOf(0)).ok());
  std::atomic<int> ended{0};
  constexpr int kRequests = 50;
  for (int n = 0; n < kRequests; ++n) {
    client->SubmitAsync({.prompt = "<prompt schema=\"s\"><m/>hello</prompt>"}, {}, nullptr,
                        [&](const Answer&) { ++ended; });
  }
  coordinator.End();
  client.reset();  // ends what was not answered
  EXPECT_EQ(ended, kRequests);
}

}  // namespace
}  // namespace promptcache::testing

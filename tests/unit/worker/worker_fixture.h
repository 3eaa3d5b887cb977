// A worker with a small model against coordinators that the test plays, over a network in memory.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cachestore/memory/memory_store.h"
#include "cluster/wire/codec.h"
#include "tests/fakes/fake_transport.h"
#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/kv/recipes.h"
#include "worker/service/worker_model.h"
#include "worker/service/worker_service.h"

namespace promptcache::testing {

inline constexpr char kFirstEndpoint[] = "tcp://127.0.0.1:9";
inline constexpr char kSecondEndpoint[] = "tcp://127.0.0.1:10";

// Greets and keeps what it hears.
struct FakeCoordinator {
  FakeCoordinator(FakeNetwork& network, const std::string& endpoint)
      : transport(network, "coordinator " + endpoint) {
    socket = transport.Listen({.endpoint = endpoint}, [this](Incoming in) { Heard(in); }).value();
  }

  void Heard(const Incoming& in) {
    const Envelope envelope = DecodeEnvelope(in.frames.header.bytes()).value();
    if (std::holds_alternative<Hello>(envelope.body)) {
      peer = in.peer;
      ++greetings;
      return Send({.body = HelloAck{.heartbeat_ms = 10'000, .lease_ms = 1'000'000}});
    }
    if (in.peer != peer) {  // it greeted a coordinator that is gone
      (void)transport.Send(socket, in.peer,
                           {.header = Frame::Own(EncodeEnvelope(
                                {.body = Reply{Code::kFailedPrecondition, "hello first"}}))});
      return;
    }
    if (!std::holds_alternative<Ping>(envelope.body)) heard.push_back(envelope);
  }

  void Send(const Envelope& envelope) { SendBytes(EncodeEnvelope(envelope)); }
  void SendBytes(std::vector<uint8_t> bytes) {
    const Status sent = transport.Send(socket, peer, {.header = Frame::Own(std::move(bytes))});
    EXPECT_TRUE(sent.ok()) << sent.ToString();
  }

  FakeTransport transport;
  SocketId socket = 0;
  PeerId peer = 0;
  int greetings = 0;
  std::deque<Envelope> heard;
};

class WorkerFixture : public ::testing::Test {
 protected:
  WorkerFixture() {
    settings_.name = "w1";
    settings_.model = TinyLlamaPath();
    settings_.dtype = "fp32";
    settings_.threads = 1;
    settings_.slots = 2;
    settings_.coordinator_endpoints = {kFirstEndpoint};
    model_ = LoadWorkerModel(settings_).value();
  }

  void Start() {
    service_ = nullptr;
    service_ = WorkerService::Start({.transport = &transport_,
                                     .model = model_,
                                     .store = &store_,
                                     .clock = &network_.clock()},
                                    settings_)
                   .value();
  }

  // Lets the network and the engine work until the coordinator has heard
  // such a message, and takes it. What comes before stays for later.
  template <typename Predicate>
  Envelope NextThat(FakeCoordinator& from, Predicate wanted) {
    for (;;) {
      network_.RunUntilIdle();
      const auto found = std::find_if(from.heard.begin(), from.heard.end(), wanted);
      if (found != from.heard.end()) {
        Envelope envelope = std::move(*found);
        from.heard.erase(found);
        return envelope;
      }
      std::this_thread::yield();  // the engine's turn; ctest's limit ends a wait in vain
      network_.Advance(step_);
    }
  }
  template <typename T>
  Envelope Next(FakeCoordinator& from) {
    return NextThat(
        from, [](const Envelope& envelope) { return std::holds_alternative<T>(envelope.body); });
  }
  template <typename T>
  Envelope Next() {
    return Next<T>(*coordinator_);
  }

  Envelope RunOf(const PlanMaker& prompt, uint32_t max_new_tokens = 8) const {
    return {.request_id = RequestId::Random(),
            .body = promptcache::Run{.plan = prompt.plan(),
                                     .options = {.max_new_tokens = max_new_tokens}}};
  }

  // Answers the recipe query for the request.
  void SendRecipes(const RequestId& id, const PlanMaker& prompt) {
    RecipeReply reply;
    for (const auto& recipe : prompt.recipes()) reply.recipes.push_back(*recipe);
    coordinator_->Send({.request_id = id, .body = reply});
  }

  static Final FinalOf(const Envelope& envelope) { return std::get<Final>(envelope.body); }

  PlanMaker Prompt() const {
    return PlanMaker().Unit(MakeRecipe({}, RandomIds(20, 1))).New(RandomIds(3, 2));
  }
  PlanMaker Plain() const { return PlanMaker().New(RandomIds(3, 2)); }

  WorkerSettings settings_ = DefaultSettings().worker;
  std::shared_ptr<WorkerModel> model_;
  FakeNetwork network_;
  std::chrono::milliseconds step_{1};  // that time moves while the engine is waited for
  MemoryBlobStore store_;
  std::unique_ptr<FakeCoordinator> coordinator_ =
      std::make_unique<FakeCoordinator>(network_, kFirstEndpoint);
  FakeTransport transport_{network_, "worker"};
  std::unique_ptr<WorkerService> service_;
};

}  // namespace promptcache::testing

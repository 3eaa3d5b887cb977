// The coordinator's side of the client protocol, played by a test.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "cluster/wire/codec.h"
#include "tests/fakes/reactor_thread.h"
#include "tests/unit/transport/zmq_test_util.h"

namespace promptcache::testing {

// Greets clients back and answers their pings; everything else goes to `received`, and the test
// answers. Its end is the end of the coordinator's process. Thread safe.
class FakeCoordinator {
 public:
  // What answers a greeting; a Reply refuses it.
  explicit FakeCoordinator(const std::string& endpoint = "tcp://127.0.0.1:*",
                           Message greeting = HelloAck{.heartbeat_ms = 20, .lease_ms = 5'000})
      : greeting_(std::move(greeting)) {
    endpoint_ = reactor_.Call([&] {
      socket_ = reactor_.transport()
                    .Listen({.endpoint = endpoint}, [this](Incoming in) { Handle(std::move(in)); })
                    .value();
      return reactor_.transport().BoundEndpoint(socket_).value();
    });
  }

  const std::string& endpoint() const { return endpoint_; }
  Inbox<Envelope>& received() { return received_; }

  // The next message that is a T, with its request's id; what comes before it is skipped.
  template <typename T>
  std::pair<RequestId, T> Expect() {
    while (auto envelope = received_.Pop()) {
      if (auto* body = std::get_if<T>(&envelope->body)) return {envelope->request_id, *body};
    }
    ADD_FAILURE() << "the message did not come";
    return {};
  }
  void Send(const RequestId& request, Message body) {
    SendBytes(EncodeEnvelope({.request_id = request, .body = std::move(body)}));
  }
  void SendBytes(std::vector<uint8_t> bytes) {
    reactor_.Call([&] {
      const Status sent =
          reactor_.transport().Send(socket_, peer_, {.header = Frame::Own(std::move(bytes))});
      EXPECT_TRUE(sent.ok()) << sent.ToString();
    });
  }
  // From now on it reads and says nothing.
  void FallSilent() {
    reactor_.Call([&] { silent_ = true; });
  }

 private:
  void Handle(const Incoming& in) {
    if (silent_) return;
    auto envelope = DecodeEnvelope(in.frames.header.bytes());
    ASSERT_TRUE(envelope.ok()) << envelope.status().ToString();
    peer_ = in.peer;
    if (std::holds_alternative<Hello>(envelope->body)) return Answer(greeting_);
    if (std::holds_alternative<Ping>(envelope->body)) return Answer(Pong{});
    received_.Push(*std::move(envelope));
  }
  void Answer(const Message& body) {
    (void)reactor_.transport().Send(socket_, peer_,
                                    {.header = Frame::Own(EncodeEnvelope({.body = body}))});
  }

  const Message greeting_;
  Inbox<Envelope> received_;
  std::string endpoint_;
  // Of the reactor's thread.
  SocketId socket_ = 0;
  PeerId peer_ = 0;  // who spoke last
  bool silent_ = false;
  ReactorThread reactor_;  // last: its thread ends before the rest goes
};

}  // namespace promptcache::testing

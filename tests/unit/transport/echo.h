// A listener that sends back what comes, and who talks to it.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <utility>

#include "tests/fakes/reactor_thread.h"
#include "tests/unit/transport/zmq_test_util.h"

namespace promptcache::testing {

// Connects and waits for echoes; sends again until the connection stands.
class EchoClient {
 public:
  EchoClient(ReactorThread& reactor, const std::string& endpoint, uint64_t limit = 4 << 20)
      : reactor_(reactor), socket_(reactor.Call([&] {
          return reactor.transport()
              .Connect({.endpoint = endpoint, .max_message_bytes = limit},
                       [this](Incoming in) { answers_.Push(std::move(in.frames)); })
              .value();
        })) {}
  ~EchoClient() {
    reactor_.Call([this] { reactor_.transport().Close(socket_); });
  }

  std::string Echo(const std::string& text) {
    SendWhenConnected({.header = TextFrame(text)});
    const auto answer = answers_.Pop();
    return answer ? TextOf(answer->header) : "(nothing came)";
  }
  void SendWhenConnected(const Frames& frames) {
    ASSERT_TRUE(Eventually([&] { return Send(frames).ok(); }));
  }
  Status Send(const Frames& frames) {
    return reactor_.Call([&] { return reactor_.transport().Send(socket_, 0, frames); });
  }
  Inbox<Frames>& answers() { return answers_; }
  SocketId socket() const { return socket_; }

 private:
  ReactorThread& reactor_;
  Inbox<Frames> answers_;
  SocketId socket_;
};

// Listens and sends back what comes.
struct EchoServer {
  EchoServer(ReactorThread& where, const std::string& wanted, uint64_t limit = 4 << 20)
      : reactor(where) {
    endpoint = reactor.Call([&] {
      socket = reactor.transport()
                   .Listen({.endpoint = wanted, .max_message_bytes = limit},
                           [this](Incoming in) {
                             ++received;
                             last_peer = in.peer;
                             if (in.key) keys.Push(in.key->owner());
                             (void)reactor.transport().Send(in.socket, in.peer, in.frames);
                           })
                   .value();
      return reactor.transport().BoundEndpoint(socket).value();
    });
  }
  ~EchoServer() {
    reactor.Call([this] { reactor.transport().Close(socket); });
  }
  ReactorThread& reactor;
  SocketId socket = 0;
  std::string endpoint;
  std::atomic<int> received{0};
  std::atomic<PeerId> last_peer{0};
  Inbox<KeyOwner> keys;  // of the links that messages came through
};

}  // namespace promptcache::testing

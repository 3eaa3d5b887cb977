// Links among peers that send anything in any order, over a network that loses and repeats.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>

#include "cluster/transport/connection.h"
#include "cluster/transport/peer_table.h"
#include "cluster/wire/codec.h"
#include "tests/fakes/fake_transport.h"
#include "tests/unit/wire/sample_messages.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;

constexpr char kEndpoint[] = "tcp://127.0.0.1:9";

// A message of any type, sometimes damaged.
Frame AnyMessage(std::mt19937& random) {
  static const std::vector<Envelope> samples = SampleEnvelopes();
  Envelope envelope = samples[random() % samples.size()];
  if (random() % 2 == 0) envelope.request_id = {};
  if (random() % 3 == 0) envelope.body = Hello{.name = "vandal"};
  std::vector<uint8_t> bytes = EncodeEnvelope(envelope);
  if (random() % 4 == 0) bytes[random() % bytes.size()] ^= static_cast<uint8_t>(random());
  if (random() % 16 == 0) bytes.resize(1 + random() % bytes.size());
  return Frame::Own(std::move(bytes));
}

FakeNetwork::Verdict AnyVerdict(std::mt19937& random) {
  switch (random() % 16) {
    case 0:
      return FakeNetwork::Verdict::kDrop;
    case 1:
      return FakeNetwork::Verdict::kDuplicate;
    default:
      return FakeNetwork::Verdict::kDeliver;
  }
}

class LinkChaos : public ::testing::TestWithParam<uint32_t> {
 protected:
  std::mt19937 random_{GetParam()};
  FakeNetwork network_;
};

TEST_P(LinkChaos, AListenerKeepsItsBooksWhateverComes) {
  FakeTransport transport(network_, "server");
  std::map<PeerId, int> up;
  PeerTable table(
      transport, {.name = "server", .heartbeat = milliseconds(100), .lease = milliseconds(300)},
      {.on_up = [&](const PeerInfo& peer) { EXPECT_EQ(++up[peer.id], 1); },
       .on_down = [&](const PeerInfo& peer, const Status&) { EXPECT_EQ(--up[peer.id], 0); },
       .on_message =
           [&](const PeerInfo& peer, Envelope envelope, const Frame&) {
             EXPECT_EQ(up[peer.id], 1);
             if (random_() % 8 == 0) table.Drop(peer.id, Busy("enough"));
             (void)table.Send(peer.id, envelope);
           }});
  ASSERT_TRUE(table.Listen({.endpoint = kEndpoint}).ok());
  network_.SetFilter([&](const auto&) { return AnyVerdict(random_); });

  FakeTransport vandals(network_, "vandals");
  std::vector<SocketId> sockets(4);
  const auto connect = [&] { return *vandals.Connect({.endpoint = kEndpoint}, [](Incoming) {}); };
  for (SocketId& socket : sockets) socket = connect();
  for (int i = 0; i < 3'000; ++i) {
    SocketId& socket = sockets[random_() % sockets.size()];
    if (random_() % 64 == 0) {
      vandals.Close(socket);
      socket = connect();
    }
    (void)vandals.Send(socket, 0, {.header = AnyMessage(random_)});
    network_.Advance(milliseconds(random_() % 20));
  }
  network_.Advance(milliseconds(1'000));  // all are silent: every lease ends
  EXPECT_EQ(table.size(), 0u);
  for (const auto& [peer, links] : up) EXPECT_EQ(links, 0) << peer;
  EXPECT_GT(table.counters().bad_messages, 0u);
}

TEST_P(LinkChaos, AConnectionAlternatesBetweenUpAndDownAndRecovers) {
  FakeTransport transport(network_, "server");
  bool is_mad = true;
  const auto answer = [&](const Incoming& in, const Message& body) {
    (void)transport.Send(in.socket, in.peer,
                         {.header = Frame::Own(EncodeEnvelope({.body = body}))});
  };
  ASSERT_TRUE(transport
                  .Listen({.endpoint = kEndpoint},
                          [&](const Incoming& in) {
                            if (is_mad && random_() % 2 == 0) {
                              (void)transport.Send(in.socket, in.peer,
                                                   {.header = AnyMessage(random_)});
                            }
                            const auto envelope = DecodeEnvelope(in.frames.header.bytes());
                            ASSERT_TRUE(envelope.ok());
                            if (std::holds_alternative<Ping>(envelope->body)) answer(in, Pong{});
                            if (!std::holds_alternative<Hello>(envelope->body)) return;
                            answer(in, HelloAck{.heartbeat_ms = 50, .lease_ms = 150});
                          })
                  .ok());
  network_.SetFilter(
      [&](const auto&) { return is_mad ? AnyVerdict(random_) : FakeNetwork::Verdict::kDeliver; });
  FakeTransport client(network_, "client");
  bool up = false;
  int ups = 0;
  Connection connection(client, {.connect = {.endpoint = kEndpoint}, .lease = milliseconds(200)},
                        {.on_up =
                             [&](const HelloAck&) {
                               EXPECT_FALSE(up);
                               up = true;
                               ++ups;
                             },
                         .on_down = [&](const Status&) { up = false; },
                         .on_message = [&](Envelope, const Frame&) { EXPECT_TRUE(up); }});
  ASSERT_TRUE(connection.Start().ok());
  for (int i = 0; i < 3'000; ++i) {
    network_.Advance(milliseconds(20));
    ASSERT_EQ(connection.up(), up);
  }
  EXPECT_GT(ups, 3);
  is_mad = false;
  network_.Advance(milliseconds(10'000));
  EXPECT_TRUE(up);
}

INSTANTIATE_TEST_SUITE_P(Seeds, LinkChaos, ::testing::Range(0u, 8u));

}  // namespace
}  // namespace promptcache::testing

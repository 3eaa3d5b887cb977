// What peers have not read, counted.
#include "cluster/transport/unsent_bytes.h"

#include <gtest/gtest.h>

#include <latch>
#include <vector>

#include "tests/unit/transport/echo.h"

namespace promptcache::testing {
namespace {

constexpr uint64_t kLimit = 1 << 20;
constexpr size_t kPart = 64 << 10;

Frame Part(size_t bytes = kPart) { return Frame::Own(std::vector<uint8_t>(bytes)); }

// As many as the peer may have.
std::vector<Frame> Fill(UnsentBytes& unsent, PeerId peer) {
  std::vector<Frame> held;
  while (held.size() < 2 * kLimit / kPart) {
    const auto frame = unsent.Count(peer, Part());
    if (!frame.ok()) break;
    held.push_back(*frame);
  }
  return held;
}

TEST(UnsentBytes, OnePeerMayHaveHalfOfTheLimit) {
  UnsentBytes unsent(kLimit);
  EXPECT_EQ(Fill(unsent, 1).size(), kLimit / kPart / 2);
  EXPECT_EQ(Fill(unsent, 1).size(), kLimit / kPart / 2);
}

TEST(UnsentBytes, ManyPeersThatDoNotReadLeaveRoomForOthers) {
  UnsentBytes unsent(kLimit);
  std::vector<std::vector<Frame>> held;
  for (PeerId peer = 1; peer < 10; ++peer) held.push_back(Fill(unsent, peer));
  EXPECT_TRUE(unsent.Count(100, Part(kPart / 2)).ok());
}

TEST(UnsentBytes, AFullPeerIsToldToReadAndTakesSmallMessages) {
  UnsentBytes unsent(kLimit);
  const auto held = Fill(unsent, 1);
  EXPECT_EQ(unsent.Count(1, Part()).status().code(), Code::kBusy);
  EXPECT_TRUE(unsent.Count(1, Part(1'000)).ok());
}

TEST(UnsentBytes, WhatAPeerHasIsKnownUntilTheLastCopyGoes) {
  UnsentBytes unsent(kLimit);
  auto held = Fill(unsent, 1);
  const std::vector<Frame> copies = held;
  held.clear();
  EXPECT_FALSE(unsent.Count(1, Part()).ok());
}

TEST(UnsentBytes, ALargeMessageIsNotToBeMadeForWhoMayNotGetIt) {
  UnsentBytes unsent(kLimit);
  EXPECT_TRUE(unsent.CheckRoom(1, 2 * kLimit).ok());
  const Frame held = *unsent.Count(1, Part());
  EXPECT_TRUE(unsent.CheckRoom(1, kLimit / 4).ok());
  EXPECT_EQ(unsent.CheckRoom(1, kLimit / 2).code(), Code::kBusy);
}

TEST(UnsentBytes, BytesCountUntilZeroMqHasSentThem) {
  ReactorThread server_reactor;
  ReactorThread client_reactor;
  EchoServer server(server_reactor, "tcp://127.0.0.1:*");
  EchoClient client(client_reactor, server.endpoint);
  ASSERT_EQ(client.Echo("x"), "x");
  UnsentBytes unsent(kLimit);
  const auto send = [&] {
    auto frame = unsent.Count(server.last_peer, Part());
    if (!frame.ok()) return frame.status();
    return server_reactor.transport().Send(server.socket, server.last_peer, {.header = *frame});
  };
  std::latch blocked(1);
  client_reactor.transport().Post([&] { blocked.wait(); });
  server_reactor.Call([&] {
    // ZeroMQ reads at most so many ahead on the other side, and TCP some MiB.
    Status status;
    EXPECT_TRUE(Eventually([&] { return !(status = send()).ok(); }));
    EXPECT_EQ(status.code(), Code::kBusy);
    return 0;
  });
  blocked.count_down();
  EXPECT_TRUE(Eventually([&] { return server_reactor.Call([&] { return send(); }).ok(); }));
}

}  // namespace
}  // namespace promptcache::testing

#include "tools/chaos/link_proxies.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/file_descriptor.h"

namespace promptcache::chaos {
namespace {

constexpr int kPatienceMs = 30'000;

sockaddr_in SystemAddress(const TcpAddress& address) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(address.port);
  ::inet_pton(AF_INET, address.host.c_str(), &out.sin_addr);
  return out;
}

// What comes within `patience_ms`: "" when the other side has closed, "(nothing)" when none does.
std::string Receive(const FileDescriptor& socket, int patience_ms) {
  pollfd waits{.fd = socket.get(), .events = POLLIN};
  if (::poll(&waits, 1, patience_ms) == 0) return "(nothing)";
  char bytes[64];
  const ssize_t count = ::recv(socket.get(), bytes, sizeof(bytes), 0);
  return std::string(bytes, count > 0 ? static_cast<size_t>(count) : 0);
}

void Send(const FileDescriptor& socket, const std::string& text) {
  ASSERT_EQ(::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(text.size()));
}

class LinkProxiesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const sockaddr_in address = SystemAddress(target_);
    const int on = 1;
    ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    ASSERT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              0);
    ASSERT_EQ(::listen(listener_.get(), 8), 0);
    auto proxies = LinkProxies::Start({{.name = "link", .listens = proxy_, .target = target_}});
    ASSERT_TRUE(proxies.ok()) << proxies.status().ToString();
    proxies_ = *std::move(proxies);
  }

  FileDescriptor Connect() const {
    FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = SystemAddress(proxy_);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              0);
    return socket;
  }
  FileDescriptor Accept() const {
    pollfd waits{.fd = listener_.get(), .events = POLLIN};
    EXPECT_EQ(::poll(&waits, 1, kPatienceMs), 1);
    return FileDescriptor(::accept(listener_.get(), nullptr, nullptr));
  }

  // Of a network that no other process has.
  const std::string host_ = "127.200." + std::to_string(::getpid() / 256 % 256) + "." +
                            std::to_string(1 + ::getpid() % 254);
  const TcpAddress target_{host_, 7001};
  const TcpAddress proxy_{host_, 7002};
  const FileDescriptor listener_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::unique_ptr<LinkProxies> proxies_;
};

TEST_F(LinkProxiesTest, AWholeLinkCarriesBytesBothWaysAndItsEnd) {
  FileDescriptor here = Connect();
  const FileDescriptor there = Accept();
  Send(here, "question");
  EXPECT_EQ(Receive(there, kPatienceMs), "question");
  Send(there, "answer");
  EXPECT_EQ(Receive(here, kPatienceMs), "answer");
  here = FileDescriptor();
  EXPECT_EQ(Receive(there, kPatienceMs), "");
}

TEST_F(LinkProxiesTest, APartitionHoldsBackBytesAndConnectionsUntilItIsOver) {
  const FileDescriptor here = Connect();
  const FileDescriptor there = Accept();
  proxies_->Set("link", LinkMode::kPartitioned);
  Send(here, "late");
  const FileDescriptor second = Connect();
  EXPECT_EQ(Receive(there, 50), "(nothing)");
  proxies_->Set("link", LinkMode::kWhole);
  EXPECT_EQ(Receive(there, kPatienceMs), "late");
  const FileDescriptor second_there = Accept();
  Send(second_there, "hello");
  EXPECT_EQ(Receive(second, kPatienceMs), "hello");
}

TEST_F(LinkProxiesTest, ACutEndsConnectionsAndNewOnesAtOnce) {
  const FileDescriptor here = Connect();
  const FileDescriptor there = Accept();
  proxies_->Set("link", LinkMode::kCut);
  EXPECT_EQ(Receive(here, kPatienceMs), "");
  EXPECT_EQ(Receive(there, kPatienceMs), "");
  EXPECT_EQ(Receive(Connect(), kPatienceMs), "");
}

TEST_F(LinkProxiesTest, ASlowLinkTakesItsTime) {
  const FileDescriptor here = Connect();
  const FileDescriptor there = Accept();
  proxies_->Set("link", LinkMode::kSlow);
  const auto begin = std::chrono::steady_clock::now();
  Send(here, "slow");
  EXPECT_EQ(Receive(there, kPatienceMs), "slow");
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(100));
}

TEST_F(LinkProxiesTest, AnAddressInUseIsNamed) {
  const auto second = LinkProxies::Start({{.name = "other", .listens = proxy_, .target = target_}});
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.status().message().find(proxy_.endpoint()), std::string::npos);
}

TEST_F(LinkProxiesTest, WhoseTargetDoesNotListenIsTurnedAway) {
  ::shutdown(listener_.get(), SHUT_RDWR);
  EXPECT_EQ(Receive(Connect(), kPatienceMs), "");
}

}  // namespace
}  // namespace promptcache::chaos

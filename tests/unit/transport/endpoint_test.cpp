#include "cluster/transport/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace promptcache {
namespace {

using ::testing::HasSubstr;

TEST(Endpoint, AcceptsLoopbackIpcAndInproc) {
  EXPECT_EQ(*CheckEndpoint("tcp://127.0.0.1:*", EndpointUse::kListen), EndpointKind::kTcp);
  EXPECT_EQ(*CheckEndpoint("tcp://127.0.0.1:1", EndpointUse::kConnect), EndpointKind::kTcp);
  EXPECT_EQ(*CheckEndpoint("tcp://127.9.8.7:65535", EndpointUse::kListen), EndpointKind::kTcp);
  EXPECT_EQ(*CheckEndpoint("ipc:///run/a.sock", EndpointUse::kListen), EndpointKind::kIpc);
  EXPECT_EQ(*CheckEndpoint("inproc://a", EndpointUse::kConnect), EndpointKind::kInproc);
}

TEST(Endpoint, RefusesWhatIsNotLocalAndSaysWhy) {
  const auto outside = CheckEndpoint("tcp://0.0.0.0:7420", EndpointUse::kListen);
  ASSERT_FALSE(outside.ok());
  EXPECT_EQ(outside.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(outside.status().message(), HasSubstr("only loopback"));
  EXPECT_THAT(outside.status().message(), HasSubstr("tcp://0.0.0.0:7420"));
  EXPECT_FALSE(CheckEndpoint("tcp://192.168.1.2:80", EndpointUse::kConnect).ok());
  EXPECT_FALSE(CheckEndpoint("tcp://128.0.0.1:80", EndpointUse::kConnect).ok());
}

TEST(Endpoint, RefusesMalformedEndpoints) {
  for (const char* endpoint :
       {"", "tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://127.0.0.1:0",
        "tcp://127.0.0.1:65536", "tcp://127.0.0.1:80x", "tcp://127.0.0.1:-1", "tcp://localhost:80",
        "tcp://[::1]:80", "tcp://*:80", "tcp://127.1:80", "udp://127.0.0.1:80", "ipc://", "ipc://*",
        "inproc://", "127.0.0.1:80", "TCP://127.0.0.1:80"}) {
    EXPECT_FALSE(CheckEndpoint(endpoint, EndpointUse::kListen).ok()) << endpoint;
  }
  EXPECT_FALSE(CheckEndpoint("tcp://127.0.0.1:*", EndpointUse::kConnect).ok());
  EXPECT_FALSE(CheckEndpoint(std::string("inproc://a\0b", 12), EndpointUse::kListen).ok());
}

TEST(Endpoint, RefusesSocketPathsThatTheSystemWouldCut) {
  EXPECT_TRUE(CheckEndpoint("ipc://" + std::string(107, 'p'), EndpointUse::kListen).ok());
  const auto result = CheckEndpoint("ipc://" + std::string(108, 'p'), EndpointUse::kListen);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.status().message(), HasSubstr("108 bytes"));
}

}  // namespace
}  // namespace promptcache

#include "cluster/transport/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace promptcache {
namespace {

using ::testing::HasSubstr;

Result<Endpoint> Parse(const std::string& endpoint, EndpointUse use) {
  return ParseEndpoint(endpoint, use, Reach::kLoopback);
}

TEST(Endpoint, AcceptsLoopbackIpcAndInproc) {
  EXPECT_EQ(Parse("tcp://127.0.0.1:*", EndpointUse::kListen)->kind, EndpointKind::kTcp);
  EXPECT_EQ(Parse("tcp://127.0.0.1:1", EndpointUse::kConnect)->kind, EndpointKind::kTcp);
  EXPECT_EQ(Parse("tcp://127.9.8.7:65535", EndpointUse::kListen)->kind, EndpointKind::kTcp);
  EXPECT_EQ(Parse("ipc:///run/a.sock", EndpointUse::kListen)->kind, EndpointKind::kIpc);
  EXPECT_EQ(Parse("inproc://a", EndpointUse::kConnect)->kind, EndpointKind::kInproc);
}

TEST(Endpoint, RefusesWhatIsNotLocalAndSaysWhy) {
  const auto outside = Parse("tcp://0.0.0.0:7420", EndpointUse::kListen);
  ASSERT_FALSE(outside.ok());
  EXPECT_EQ(outside.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(outside.status().message(), HasSubstr("only loopback"));
  EXPECT_THAT(outside.status().message(), HasSubstr("tcp://0.0.0.0:7420"));
  EXPECT_FALSE(Parse("tcp://192.168.1.2:80", EndpointUse::kConnect).ok());
  EXPECT_FALSE(Parse("tcp://128.0.0.1:80", EndpointUse::kConnect).ok());
}

TEST(Endpoint, RefusesMalformedEndpoints) {
  for (const char* endpoint :
       {"", "tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://127.0.0.1:0",
        "tcp://127.0.0.1:65536", "tcp://127.0.0.1:80x", "tcp://127.0.0.1:-1", "tcp://localhost:80",
        "tcp://[::1]:80", "tcp://*:80", "tcp://127.1:80", "udp://127.0.0.1:80", "ipc://", "ipc://*",
        "inproc://", "127.0.0.1:80", "TCP://127.0.0.1:80"}) {
    EXPECT_FALSE(Parse(endpoint, EndpointUse::kListen).ok()) << endpoint;
  }
  EXPECT_FALSE(Parse("tcp://127.0.0.1:*", EndpointUse::kConnect).ok());
  EXPECT_FALSE(Parse(std::string("inproc://a\0b", 12), EndpointUse::kListen).ok());
}

TEST(Endpoint, RefusesSocketPathsThatTheSystemWouldCut) {
  EXPECT_TRUE(Parse("ipc://" + std::string(107, 'p'), EndpointUse::kListen).ok());
  const auto result = Parse("ipc://" + std::string(108, 'p'), EndpointUse::kListen);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.status().message(), HasSubstr("108 bytes"));
}

TEST(Endpoint, NamesOfHostsAreForConnectingOverTheNetwork) {
  const auto network = [](const std::string& endpoint, EndpointUse use) {
    return ParseEndpoint(endpoint, use, Reach::kNetwork).ok();
  };
  EXPECT_TRUE(network("tcp://192.168.1.2:80", EndpointUse::kListen));
  EXPECT_TRUE(network("tcp://store:80", EndpointUse::kConnect));
  EXPECT_TRUE(network("tcp://store-0.cache.svc:80", EndpointUse::kConnect));
  EXPECT_FALSE(network("tcp://store:80", EndpointUse::kListen));
  for (const char* endpoint : {"tcp://10.0.0.300:80", "tcp://a b:80", "tcp://-a:80", "tcp://a;b:80",
                               "tcp://:80", "tcp://a@10.0.0.1:80", "tcp://10.0.0.1;10.0.0.2:80"}) {
    EXPECT_FALSE(network(endpoint, EndpointUse::kConnect)) << endpoint;
  }
  EXPECT_FALSE(network("tcp://" + std::string(254, 'a') + ":80", EndpointUse::kConnect));
}

TEST(Endpoint, AKeyStandsBehindIt) {
  const CurvePublicKey key = CurveSecretKey::Generate().public_key();
  const auto endpoint = Parse("tcp://127.0.0.1:7420#" + ToZ85(key), EndpointUse::kConnect);
  ASSERT_TRUE(endpoint.ok()) << endpoint.status().ToString();
  EXPECT_EQ(endpoint->address, "tcp://127.0.0.1:7420");
  EXPECT_EQ(endpoint->server_key, key);
  EXPECT_EQ(Parse("ipc:///a#" + ToZ85(key), EndpointUse::kConnect)->server_key, key);
  EXPECT_EQ(Parse("ipc:///a", EndpointUse::kConnect)->server_key, std::nullopt);
  EXPECT_FALSE(Parse("inproc://a#" + ToZ85(key), EndpointUse::kConnect).ok());
  for (const std::string& bad : {std::string(), ToZ85(key).substr(1), ToZ85(key) + "0"}) {
    const Status refused = Parse("tcp://127.0.0.1:7420#" + bad, EndpointUse::kConnect).status();
    EXPECT_EQ(refused.code(), Code::kInvalidArgument);
    EXPECT_THAT(refused.message(), HasSubstr("tcp://127.0.0.1:7420#"));
  }
}

}  // namespace
}  // namespace promptcache

// What settings and endpoints mean for the security of links.
#include "cluster/transport/link_security.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "cluster/wire/roles.h"
#include "tests/unit/transport/key_files.h"

namespace promptcache {
namespace {

using ::testing::HasSubstr;
using testing::KeyFiles;

constexpr auto kListen = EndpointUse::kListen;
constexpr auto kConnect = EndpointUse::kConnect;

std::string WithKey(const std::string& address, const CurvePublicKey& key) {
  return address + "#" + ToZ85(key);
}

TEST(LinkSecurity, WithoutAKeyFileLinksArePlain) {
  const LinkSecurity security = LoadLinkSecurity({}, "store", {PeerRole::kStore}).value();
  EXPECT_FALSE(security.own);
  EXPECT_EQ(security.reach(), Reach::kLoopback);
}

TEST(LinkSecurity, AListWithoutAKeyIsAMistake) {
  const Status refused =
      LoadLinkSecurity({.keys = "keys.toml"}, "store", {PeerRole::kStore}).status();
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr("security.own_key"));
}

TEST(LinkSecurity, TheKeyMustBeOfTheProcessesRole) {
  const KeyFiles files;
  const LinkKey key = files.Make({.name = "alice", .role = PeerRole::kClient});
  const SecuritySettings settings{.own_key = files.Path("alice.key"), .keys = files.list()};
  const LinkSecurity security =
      LoadLinkSecurity(settings, "client", {PeerRole::kClient, PeerRole::kAdmin}).value();
  EXPECT_EQ(security.own->secret.public_key(), key.secret.public_key());
  const Status refused = LoadLinkSecurity(settings, "gpu-1", {PeerRole::kWorker}).status();
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr("role client"));
  EXPECT_THAT(refused.message(), HasSubstr("needs worker"));
}

TEST(LinkSecurity, OnlyWhoListensReadsTheList) {
  const KeyFiles files;
  for (const auto& [role, list] :
       {std::pair(PeerRole::kCoordinator, files.list()), std::pair(PeerRole::kStore, files.list()),
        std::pair(PeerRole::kWorker, std::string()), std::pair(PeerRole::kClient, std::string())}) {
    const std::string name(RoleName(role));
    (void)files.Make({.name = name, .role = role});
    const SecuritySettings settings{.own_key = files.Path(name + ".key"), .keys = files.list()};
    EXPECT_EQ(LoadLinkSecurity(settings, name, {role})->keys, list) << name;
  }
}

TEST(LinkSecurity, AWorkersKeyIsOfItsName) {
  const KeyFiles files;
  (void)files.Make({.name = "gpu-1", .role = PeerRole::kWorker});
  const SecuritySettings settings{.own_key = files.Path("gpu-1.key")};
  EXPECT_TRUE(LoadLinkSecurity(settings, "gpu-1", {PeerRole::kWorker}).ok());
  const Status refused = LoadLinkSecurity(settings, "gpu-2", {PeerRole::kWorker}).status();
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr("worker.name"));
}

TEST(LinkSecurity, ADirectoryHoldsAKeyForEachProcess) {
  const KeyFiles files;
  (void)files.Make({.name = "gpu-1", .role = PeerRole::kWorker});
  (void)files.Make({.name = "store", .role = PeerRole::kStore});
  const SecuritySettings settings{.own_key =
                                      std::filesystem::path(files.list()).parent_path().string()};
  EXPECT_EQ(LoadLinkSecurity(settings, "gpu-1", {PeerRole::kWorker})->own->owner.name, "gpu-1");
  EXPECT_EQ(LoadLinkSecurity(settings, "store", {PeerRole::kStore})->own->owner.name, "store");
  const Status missing = LoadLinkSecurity(settings, "gpu-2", {PeerRole::kWorker}).status();
  EXPECT_EQ(missing.code(), Code::kNotFound);
  EXPECT_THAT(missing.message(), HasSubstr(files.Path("gpu-2.key")));
}

TEST(LinkSecurity, PlainLinksStayOnTheMachineUnlessTheyMayLeaveIt) {
  EXPECT_FALSE(ParseEndpointFor({}, "tcp://10.0.0.1:7420", kConnect).ok());
  EXPECT_FALSE(ParseEndpointFor({}, "tcp://0.0.0.0:7420", kListen).ok());
  const LinkSecurity plain{.allow_plaintext = true};
  EXPECT_TRUE(ParseEndpointFor(plain, "tcp://10.0.0.1:7420", kConnect).ok());
  EXPECT_TRUE(ParseEndpointFor(plain, "tcp://0.0.0.0:7420", kListen).ok());
  EXPECT_TRUE(ParseEndpointFor(plain, "tcp://node-7.cluster:7420", kConnect).ok());
}

TEST(LinkSecurity, WithAKeyEveryAddressServesAndTheListenersKeyIsNeeded) {
  const KeyFiles files;
  const LinkKey own = files.Make({.name = "a"});
  const CurvePublicKey other = files.Make({.name = "b"}).secret.public_key();
  const LinkSecurity security = files.Listener(own);
  for (const char* address : {"tcp://10.0.0.1:7420", "tcp://127.0.0.1:7420", "ipc:///run/a"}) {
    const auto connect = ParseEndpointFor(security, WithKey(address, other), kConnect);
    ASSERT_TRUE(connect.ok()) << connect.status().ToString();
    EXPECT_EQ(connect->address, address);
    EXPECT_EQ(connect->server_key, other);
    const Status keyless = ParseEndpointFor(security, address, kConnect).status();
    EXPECT_EQ(keyless.code(), Code::kInvalidArgument);
    EXPECT_THAT(keyless.message(), HasSubstr(std::string(address) + "#KEY"));
    EXPECT_TRUE(ParseEndpointFor(security, address, kListen).ok());
  }
  EXPECT_TRUE(ParseEndpointFor(security, "inproc://a", kConnect).ok());
}

TEST(LinkSecurity, AListenersEndpointMayHaveItsOwnKeyBehindAndNoOther) {
  const KeyFiles files;
  const LinkKey own = files.Make({.name = "a"});
  const LinkKey other = files.Make({.name = "b"});
  const std::string address = "tcp://0.0.0.0:7420";
  EXPECT_TRUE(
      ParseEndpointFor(files.Listener(own), WithKey(address, own.secret.public_key()), kListen)
          .ok());
  const Status refused =
      ParseEndpointFor(files.Listener(own), WithKey(address, other.secret.public_key()), kListen)
          .status();
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr(ToZ85(own.secret.public_key())));
}

TEST(LinkSecurity, AnEndpointWithAKeyIsNotSpokenToPlainly) {
  const CurvePublicKey key = CurveSecretKey::Generate().public_key();
  for (const bool allow : {false, true}) {
    const Status refused =
        ParseEndpointFor({.allow_plaintext = allow}, WithKey("tcp://127.0.0.1:7420", key), kConnect)
            .status();
    EXPECT_EQ(refused.code(), Code::kInvalidArgument);
    EXPECT_THAT(refused.message(), HasSubstr("security.own_key"));
  }
}

}  // namespace
}  // namespace promptcache

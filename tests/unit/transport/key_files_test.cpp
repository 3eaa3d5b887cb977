// What stands in files: keys, and the list of those that are allowed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "cluster/transport/allowlist.h"
#include "cluster/transport/keyring.h"
#include "cluster/transport/link_key.h"
#include "tests/unit/transport/key_files.h"

namespace promptcache {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::KeyFiles;
using ::testing::Not;

const KeyOwner kWorker{.name = "gpu-1", .role = PeerRole::kWorker};
const KeyOwner kClient{.name = "alice", .role = PeerRole::kClient, .tenant = "acme"};

std::string TextOf(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

void SetText(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::trunc) << text;
}

TEST(LinkKeyFile, HoldsAKeyAndItsPublicPartBeside) {
  const KeyFiles files;
  for (const KeyOwner& owner : {kWorker, kClient}) {
    const PublicLinkKey made = WriteNewLinkKey(files.Path(owner.name), owner).value();
    EXPECT_EQ(made.owner, owner);
    const LinkKey own = ReadLinkKey(files.Path(owner.name)).value();
    EXPECT_EQ(own.owner, owner);
    EXPECT_EQ(own.secret.public_key(), made.key);
    EXPECT_EQ(ReadPublicLinkKey(files.Path(owner.name + ".pub")).value(), made);
    EXPECT_THAT(TextOf(files.Path(owner.name + ".pub")), Not(HasSubstr(own.secret.ToZ85())));
  }
}

TEST(LinkKeyFile, IsForItsOwnerAloneAndNeverReplaced) {
  const KeyFiles files;
  const LinkKey key = files.Make(kWorker);
  const std::string path = files.Path("gpu-1.key");
  EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(WriteNewLinkKey(path, kClient).status().code(), Code::kAlreadyExists);
  fs::remove(path + ".pub");
  EXPECT_EQ(WriteNewLinkKey(path, kClient).status().code(), Code::kAlreadyExists);
  EXPECT_FALSE(fs::exists(path + ".pub")) << "it would be of no key";
  EXPECT_EQ(ReadLinkKey(path)->secret.public_key(), key.secret.public_key());
}

TEST(LinkKeyFile, OpenToOthersIsRefusedAndSaysWhatToDo) {
  const KeyFiles files;
  (void)files.Make(kWorker);
  const std::string path = files.Path("gpu-1.key");
  for (const auto open : {fs::perms::group_read, fs::perms::others_read, fs::perms::group_write}) {
    fs::permissions(path, fs::perms::owner_read | open);
    const Status refused = ReadLinkKey(path).status();
    EXPECT_EQ(refused.code(), Code::kFailedPrecondition);
    EXPECT_THAT(refused.message(), HasSubstr("chmod 600 " + path));
  }
  fs::permissions(path, fs::perms::owner_read);
  EXPECT_TRUE(ReadLinkKey(path).ok());
}

TEST(LinkKeyFile, ThatIsNotThereIsNamedWithWhatMakesOne) {
  const KeyFiles files;
  const Status missing = ReadLinkKey(files.Path("none")).status();
  EXPECT_EQ(missing.code(), Code::kNotFound);
  EXPECT_THAT(missing.message(), HasSubstr(files.Path("none")));
  EXPECT_THAT(missing.message(), HasSubstr("promptcache keygen"));
  EXPECT_EQ(ReadLinkKey(fs::path(files.list()).parent_path()).status().code(),
            Code::kInvalidArgument);
}

// Each change of a good file, and what its message must contain.
TEST(LinkKeyFile, OfAnotherContentIsRefusedWithoutAByteOfTheSecret) {
  const KeyFiles files;
  const LinkKey key = files.Make(kClient);
  const LinkKey other = files.Make(kWorker);
  const std::string path = files.Path("alice.key");
  const std::string good = TextOf(path);
  const std::string secret = key.secret.ToZ85();
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  const std::pair<std::string, std::string> cases[] = {
      {"", "begins with 'promptcache-link-key 1'"},
      {with("link-key 1", "link-key 2"), "begins with 'promptcache-link-key 1'"},
      {TextOf(path + ".pub"), "begins with 'promptcache-link-key 1'"},
      {with("name alice\n", ""), "'name ...' is missing"},
      {with("secret-key " + secret + "\n", ""), "'secret-key ...' is missing"},
      {with("role client", "role " + secret), "none of client, worker"},
      {with("role client", "name alice"), ":3: name is there twice"},
      {with("role client", secret), ":3: expected name, role"},
      {with("name alice", "name ../" + secret), "the name of the key is not"},
      {with("tenant acme", "tenant " + secret), "the tenant is not"},
      {with(ToZ85(key.secret.public_key()), ToZ85(other.secret.public_key())), "not a pair"},
      {with(secret, secret + "0"), "the secret key is not one of 40"},
      {with(secret, "~" + secret.substr(1)), "the secret key is not one of 40"},
      {good + std::string(2'000, 'x'), "at most 1024 bytes"}};
  for (const auto& [text, reason] : cases) {
    SetText(path, text);
    const Status refused = ReadLinkKey(path).status();
    EXPECT_EQ(refused.code(), Code::kInvalidArgument) << reason;
    EXPECT_THAT(refused.message(), HasSubstr(path));
    EXPECT_THAT(refused.message(), HasSubstr(reason));
    EXPECT_THAT(refused.message(), Not(HasSubstr(secret.substr(1, 10))));
  }
  SetText(path, good);
  EXPECT_TRUE(ReadLinkKey(path).ok());
}

TEST(LinkKeyFile, ASecretOneIsNoPublicOne) {
  const KeyFiles files;
  const LinkKey key = files.Make(kClient);
  const Status refused = ReadPublicLinkKey(files.Path("alice.key")).status();
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_THAT(refused.message(), Not(HasSubstr(key.secret.ToZ85())));
}

TEST(LinkKeyFile, NamesAreShortAndPlain) {
  const KeyFiles files;
  for (const std::string& name : {std::string(), std::string("a b"), std::string("-x"),
                                  std::string(".x"), std::string("a\nb"), std::string(65, 'x')}) {
    EXPECT_EQ(WriteNewLinkKey(files.Path("k"), {.name = name}).status().code(),
              Code::kInvalidArgument);
    EXPECT_EQ(WriteNewLinkKey(files.Path("k"), {.name = "a", .tenant = name + " "}).status().code(),
              Code::kInvalidArgument);
  }
  EXPECT_TRUE(WriteNewLinkKey(files.Path("k"), {.name = std::string(64, 'x')}).ok());
}

PublicLinkKey PublicKeyOf(const KeyOwner& owner) {
  return {.owner = owner, .key = CurveSecretKey::Generate().public_key()};
}

TEST(AllowlistFile, ComesBackAsItWasWritten) {
  Allowlist list;
  ASSERT_TRUE(list.Add(PublicKeyOf(kWorker)).ok());
  ASSERT_TRUE(list.Add(PublicKeyOf(kClient)).ok());
  const Allowlist again = Allowlist::Parse(list.Render(), "keys.toml").value();
  EXPECT_EQ(again.keys(), list.keys());
  EXPECT_TRUE(Allowlist::Parse("", "keys.toml")->keys().empty());
}

TEST(AllowlistFile, ANameMayHaveTwoKeysOfTheSameRoleAndTenantOnly) {
  Allowlist list;
  const PublicLinkKey first = PublicKeyOf(kClient);
  ASSERT_TRUE(list.Add(first).ok());
  EXPECT_EQ(list.Add(first).code(), Code::kAlreadyExists);
  EXPECT_TRUE(list.Add(PublicKeyOf(kClient)).ok());
  EXPECT_EQ(
      list.Add(PublicKeyOf({.name = "alice", .role = PeerRole::kAdmin, .tenant = "acme"})).code(),
      Code::kInvalidArgument);
  EXPECT_EQ(list.Add(PublicKeyOf({.name = "alice", .tenant = "other"})).code(),
            Code::kInvalidArgument);
}

TEST(AllowlistFile, KeysLeaveByNameOrOneByOne) {
  Allowlist list;
  const PublicLinkKey old_one = PublicKeyOf(kClient);
  ASSERT_TRUE(list.Add(old_one).ok());
  ASSERT_TRUE(list.Add(PublicKeyOf(kClient)).ok());
  ASSERT_TRUE(list.Add(PublicKeyOf(kWorker)).ok());
  EXPECT_TRUE(list.Remove(ToZ85(old_one.key)).ok());
  EXPECT_EQ(list.keys().size(), 2u);
  EXPECT_EQ(list.Remove(ToZ85(old_one.key)).code(), Code::kNotFound);
  EXPECT_TRUE(list.Remove("alice").ok());
  EXPECT_EQ(list.keys().size(), 1u);
  EXPECT_EQ(list.Remove("alice").code(), Code::kNotFound);
  EXPECT_TRUE(list.Add(old_one).ok());
}

TEST(AllowlistFile, OfAnotherContentIsRefusedWithItsLine) {
  const std::string key = ToZ85(CurveSecretKey::Generate().public_key());
  const std::string good =
      "[[key]]\nname = \"a\"\nrole = \"worker\"\npublic_key = \"" + key + "\"\n";
  ASSERT_TRUE(Allowlist::Parse(good, "f").ok());
  const std::pair<std::string, std::string> cases[] = {
      {"[[key]\n", "f:1: not valid TOML"},
      {"key = 1\n", "f:1: expected only [[key]] tables"},
      {good + "[keys]\n", "f:5: expected only [[key]] tables"},
      {"key = [1]\n", "f:1: expected a [[key]] table"},
      {"[[key]]\nrole = \"worker\"\n", "f:1: name is missing"},
      {"[[key]]\nname = 1\n", "f:1: name is not a string"},
      {good + "secret = \"x\"\n",
       "f:1: a key has name, role, tenant and public_key, and no 'secret'"},
      {"[[key]]\nname = \"a\"\nrole = \"root\"\n", "f:1: the role is none of"},
      {"[[key]]\nname = \"a/b\"\nrole = \"worker\"\n", "f:1: the name of the key is not"},
      {"[[key]]\nname = \"a\"\nrole = \"worker\"\npublic_key = \"x\"\n",
       "f:1: the public key is not"},
      {good + good, "f:5: the key " + key}};
  for (const auto& [text, reason] : cases) {
    const Status refused = Allowlist::Parse(text, "f").status();
    EXPECT_EQ(refused.code(), Code::kInvalidArgument) << reason;
    EXPECT_THAT(refused.message(), HasSubstr(reason));
  }
}

TEST(Keyring, RevokesWhatHasGoneAndKeepsWhatStayed) {
  const KeyFiles files;
  const LinkKey worker = files.Make(kWorker);
  const LinkKey client = files.Make(kClient);
  files.Allow({worker, client});
  Keyring ring = Keyring::Open(files.list()).value();
  const auto worker_key = ring.Find(ToZ85(worker.secret.public_key()));
  const auto client_key = ring.Find(ToZ85(client.secret.public_key()));
  ASSERT_NE(worker_key, nullptr);
  EXPECT_EQ(client_key->owner(), kClient);
  EXPECT_FALSE(ring.IsStale());
  files.Allow({worker});
  EXPECT_FALSE(ring.IsStale());
  EXPECT_TRUE(ring.IsStale());
  ASSERT_TRUE(ring.Reload().ok());
  EXPECT_TRUE(client_key->revoked());
  EXPECT_EQ(ring.Find(ToZ85(client.secret.public_key())), nullptr);
  EXPECT_FALSE(worker_key->revoked());
  EXPECT_EQ(ring.Find(ToZ85(worker.secret.public_key())), worker_key);
}

TEST(Keyring, AKeyOfAnotherOwnerIsAnotherKey) {
  const KeyFiles files;
  LinkKey client = files.Make(kClient);
  files.Allow({client});
  Keyring ring = Keyring::Open(files.list()).value();
  const auto before = ring.Find(ToZ85(client.secret.public_key()));
  client.owner.tenant = "other";
  files.Allow({client});
  ASSERT_TRUE(ring.Reload().ok());
  EXPECT_TRUE(before->revoked());
  EXPECT_EQ(ring.Find(ToZ85(client.secret.public_key()))->owner().tenant, "other");
}

TEST(Keyring, AListThatCannotBeReadChangesNothingAndIsTriedOnce) {
  const KeyFiles files;
  const LinkKey client = files.Make(kClient);
  files.Allow({client});
  Keyring ring = Keyring::Open(files.list()).value();
  const auto key = ring.Find(ToZ85(client.secret.public_key()));
  files.Write("[[key");
  EXPECT_FALSE(ring.IsStale());
  EXPECT_TRUE(ring.IsStale());
  EXPECT_EQ(ring.Reload().code(), Code::kInvalidArgument);
  EXPECT_FALSE(ring.IsStale());
  fs::remove(files.list());
  EXPECT_FALSE(ring.IsStale());
  EXPECT_TRUE(ring.IsStale());
  EXPECT_EQ(ring.Reload().code(), Code::kNotFound);
  EXPECT_FALSE(key->revoked());
  EXPECT_EQ(ring.Find(ToZ85(client.secret.public_key())), key);
  files.Allow({});
  EXPECT_FALSE(ring.IsStale());
  EXPECT_TRUE(ring.IsStale());
  EXPECT_TRUE(ring.Reload().ok());
  EXPECT_TRUE(key->revoked());
}

TEST(Keyring, AListThatIsBeingWrittenIsNotReadYet) {
  const KeyFiles files;
  const LinkKey client = files.Make(kClient);
  files.Allow({client});
  Keyring ring = Keyring::Open(files.list()).value();
  for (const char* text : {"", "#", "# Whom"}) {
    files.Write(text);
    EXPECT_FALSE(ring.IsStale()) << text;
  }
  files.Allow({client});
  EXPECT_FALSE(ring.IsStale());
  EXPECT_TRUE(ring.IsStale());
}

}  // namespace
}  // namespace promptcache

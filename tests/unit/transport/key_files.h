// Keys of tests, made as an operator makes them, and the list of those that are allowed.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "cluster/transport/allowlist.h"
#include "cluster/transport/link_security.h"
#include "common/process.h"
#include "tests/unit/transport/zmq_test_util.h"

namespace promptcache::testing {

// A new key that is in no file.
inline LinkKey NewKey(KeyOwner owner) {
  return {.owner = std::move(owner), .secret = CurveSecretKey::Generate()};
}

class KeyFiles {
 public:
  std::string Path(const std::string& file) const { return (directory_.path() / file).string(); }
  std::string list() const { return Path("keys.toml"); }

  // A new key in NAME.key.
  LinkKey Make(const KeyOwner& owner) const {
    EXPECT_TRUE(WriteNewLinkKey(Path(owner.name + ".key"), owner).ok());
    return ReadLinkKey(Path(owner.name + ".key")).value();
  }
  // From now on these and no others.
  void Allow(const std::vector<LinkKey>& keys) const {
    Allowlist allowed;
    for (const LinkKey& key : keys) {
      EXPECT_TRUE(allowed.Add({.owner = key.owner, .key = key.secret.public_key()}).ok());
    }
    Write(allowed.Render());
  }
  void Write(const std::string& text) const { EXPECT_TRUE(WriteFileAtomically(list(), text).ok()); }

  LinkSecurity Listener(const LinkKey& own) const { return {.own = own, .keys = list()}; }

 private:
  TempDirectory directory_;
};

}  // namespace promptcache::testing

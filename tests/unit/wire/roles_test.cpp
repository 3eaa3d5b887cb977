#include "cluster/wire/roles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "cluster/wire/codec.h"
#include "tests/unit/wire/sample_messages.h"

namespace promptcache {
namespace {

using testing::SampleEnvelopes;

constexpr PeerRole kRoles[] = {PeerRole::kClient, PeerRole::kWorker, PeerRole::kStore,
                               PeerRole::kCoordinator, PeerRole::kAdmin};

// "SchemaAdd" -> "schema_add"
std::string SnakeCase(const std::string& name) {
  std::string out;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z' && !out.empty()) out += '_';
    out += static_cast<char>(std::tolower(c));
  }
  return out;
}

// The rows below "## Roles" of schemas/WIRE.md: role to messages.
std::map<std::string, std::set<std::string>> DocumentedRoles() {
  std::ifstream file(std::string(PROMPTCACHE_SOURCE_DIR) + "/schemas/WIRE.md");
  std::map<std::string, std::set<std::string>> roles;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("## ")) inside = line == "## Roles";
    std::istringstream row(line);
    std::string bar, role, word;
    if (!inside || !(row >> bar >> role >> bar) || bar != "|") continue;
    while (row >> word) {
      if (word.ends_with(',')) word.pop_back();
      if (word != "|") roles[role].insert(SnakeCase(word));
    }
  }
  return roles;
}

TEST(Roles, MaySendWhatTheDocumentSays) {
  const auto documented = DocumentedRoles();
  const auto& everybody = documented.at("any");
  for (const PeerRole role : kRoles) {
    const auto own = documented.find(std::string(RoleName(role)));
    for (const Envelope& sample : SampleEnvelopes()) {
      const std::string name(MessageName(sample.body));
      const bool expected =
          everybody.contains(name) || (own != documented.end() && own->second.contains(name));
      EXPECT_EQ(MaySend(role, sample.body), expected) << RoleName(role) << " " << name;
    }
  }
}

TEST(Roles, AWorkerRemovesOnlyWhatItFoundDamaged) {
  EXPECT_TRUE(MaySend(PeerRole::kWorker, BlobRemove{.corrupt = true}));
  EXPECT_FALSE(MaySend(PeerRole::kWorker, BlobRemove{.corrupt = false}));
  EXPECT_TRUE(MaySend(PeerRole::kAdmin, BlobRemove{.corrupt = false}));
}

TEST(Roles, HaveNamesThatComeBack) {
  for (const PeerRole role : kRoles) EXPECT_EQ(ParseRole(RoleName(role)).value(), role);
  EXPECT_EQ(RoleName(PeerRole{0}), "unknown");
  EXPECT_EQ(RoleName(PeerRole{6}), "unknown");
  const Status refused = ParseRole("root").status();
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_THAT(refused.message(), ::testing::HasSubstr("client, worker, store, coordinator, admin"));
}

}  // namespace
}  // namespace promptcache

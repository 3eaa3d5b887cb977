// What a name means for whom.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/registry/registry.h"
#include "tests/unit/layout/toy_compiler.h"

namespace promptcache::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const SchemaViewer kAcme{.tenant = "acme"};
const SchemaViewer kOther{.tenant = "other"};
const SchemaViewer kNobody;
const SchemaViewer kOperator{.sees_all = true};
constexpr uint64_t kSecret = 7;

class RegistryTenants : public ::testing::Test {
 protected:
  enum Sharing { kOwn, kShared };

  SchemaPtr Insert(const std::string& tenant, const std::string& name, Sharing sharing,
                   uint64_t unix_ms = 1) {
    const SchemaPtr schema = Make(tenant, name, sharing, unix_ms);
    registry_.Insert(schema);
    return schema;
  }
  SchemaPtr Make(const std::string& tenant, const std::string& name, Sharing sharing,
                 uint64_t unix_ms) const {
    const std::string text = tenant + std::to_string(unix_ms);
    return *CompileSchema({.document = "<schema name=\"" + name + "\">x" + text + "</schema>",
                           .shared = sharing == kShared},
                          compiler_.encoder(),
                          {.limits = {.document_bytes = 1 << 20},
                           .registered_unix_ms = unix_ms,
                           .tenant = tenant,
                           .domain = kSecret});
  }
  SchemaPtr Find(const SchemaViewer& viewer, const std::string& name) const {
    const auto found = registry_.Find(viewer, name, "");
    return found.ok() ? *found : nullptr;
  }

  ToyCompiler compiler_;
  SchemaRegistry registry_;
};

TEST_F(RegistryTenants, WhatATenantDoesNotShareNoOtherSees) {
  const SchemaPtr own = Insert("acme", "s", kOwn);
  EXPECT_EQ(Find(kAcme, "s"), own);
  for (const SchemaViewer& stranger : {kOther, kNobody}) {
    const Status status = registry_.Find(stranger, "s", "").status();
    EXPECT_EQ(status.code(), Code::kNotFound);
    EXPECT_THAT(status.message(), HasSubstr("registered: none"));
    EXPECT_EQ(Find(stranger, "acme/s"), nullptr);
    EXPECT_EQ(registry_.Find(stranger, "s", own->version).status().code(), Code::kNotFound);
    EXPECT_TRUE(registry_.List(stranger, "")->empty());
    EXPECT_EQ(registry_.List(stranger, "s").status().code(), Code::kNotFound);
    EXPECT_EQ(registry_.Removable(stranger, "s").status().code(), Code::kNotFound);
  }
}

TEST_F(RegistryTenants, WhatTheTenantWithoutANameDoesNotShareNamedOnesDoNotSee) {
  const SchemaPtr own = Insert("", "s", kOwn);
  EXPECT_EQ(Find(kNobody, "s"), own);
  EXPECT_EQ(Find(kAcme, "s"), nullptr);
}

TEST_F(RegistryTenants, SharedVersionsAreEverybodysAndTheOthersAreNot) {
  const SchemaPtr shared = Insert("acme", "s", kShared, 1);
  const SchemaPtr own = Insert("acme", "s", kOwn, 2);
  EXPECT_EQ(Find(kAcme, "s"), own);
  EXPECT_EQ(Find(kOther, "s"), shared);
  EXPECT_EQ(Find(kOther, "acme/s"), shared);
  EXPECT_EQ(registry_.Find(kOther, "s", own->version).status().code(), Code::kNotFound);
  const auto seen = *registry_.List(kOther, "");
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].version, shared->version);
  EXPECT_EQ(seen[0].tenant, "acme");
  EXPECT_TRUE(seen[0].shared);
  EXPECT_TRUE(seen[0].current);
}

TEST_F(RegistryTenants, AnOwnSchemaGoesBeforeASharedOneOfItsName) {
  const SchemaPtr shared = Insert("acme", "s", kShared);
  const SchemaPtr own = Insert("other", "s", kOwn);
  EXPECT_EQ(Find(kOther, "s"), own);
  EXPECT_EQ(Find(kOther, "acme/s"), shared);
  EXPECT_EQ(Find(kNobody, "s"), shared);
  EXPECT_EQ(registry_.size(), 2u);
}

TEST_F(RegistryTenants, OfTwoThatAreSharedUnderOneNameTheFirstIsMeant) {
  Insert("acme", "s", kShared, 5);
  const SchemaPtr first = Insert("zoo", "s", kShared, 3);
  EXPECT_EQ(Find(kOther, "s"), first);
}

TEST_F(RegistryTenants, ANameThatAnotherTenantSharesIsTakenForSharing) {
  Insert("acme", "s", kShared);
  const SchemaPtr second = Make("other", "s", kShared, 2);
  const Status taken = registry_.CheckSharedName(*second);
  EXPECT_EQ(taken.code(), Code::kAlreadyExists);
  EXPECT_THAT(taken.message(), AllOf(HasSubstr("'acme'"), HasSubstr("another name")));
  EXPECT_TRUE(registry_.CheckSharedName(*Make("acme", "s", kShared, 2)).ok());
  EXPECT_TRUE(registry_.CheckSharedName(*Make("other", "s", kOwn, 2)).ok());
  EXPECT_TRUE(registry_.CheckSharedName(*Make("other", "t", kShared, 2)).ok());
}

TEST_F(RegistryTenants, OnlyItsTenantAndOperatorsRemoveASharedSchema) {
  Insert("acme", "s", kShared);
  const Status refused = registry_.Removable(kOther, "s").status();
  EXPECT_EQ(refused.code(), Code::kFailedPrecondition);
  EXPECT_THAT(refused.message(), HasSubstr("'acme'"));
  EXPECT_EQ(registry_.Removable(kAcme, "s")->size(), 1u);
  EXPECT_EQ(registry_.Removable(kOperator, "s")->size(), 1u);
}

TEST_F(RegistryTenants, OperatorsSeeAllAndNameTheTenant) {
  const SchemaPtr own = Insert("acme", "s", kOwn);
  Insert("other", "s", kOwn);
  EXPECT_EQ(registry_.List(kOperator, "")->size(), 2u);
  EXPECT_EQ(Find(kOperator, "acme/s"), own);
  EXPECT_EQ(registry_.Removable(kOperator, "acme/s@" + own->version)->size(), 1u);
  EXPECT_THAT(registry_.Find(kOperator, "s", "").status().message(), HasSubstr("acme/s, other/s"));
}

TEST_F(RegistryTenants, RemovalLeavesOtherTenantsAlone) {
  const SchemaPtr own = Insert("acme", "s", kOwn);
  const SchemaPtr theirs = Insert("other", "s", kOwn);
  registry_.Remove(*own);
  EXPECT_EQ(Find(kAcme, "s"), nullptr);
  EXPECT_EQ(Find(kOther, "s"), theirs);
}

TEST_F(RegistryTenants, UnitsOfASharedSchemaAreEverybodysAndOthersTheTenants) {
  EXPECT_EQ(Insert("acme", "s", kOwn)->domain, kSecret);
  EXPECT_EQ(Insert("acme", "t", kShared)->domain, 0u);
}

TEST_F(RegistryTenants, RecordsSayWhoseASchemaIsAndNeverTheSecret) {
  EXPECT_THAT(SchemaKey(*Insert("", "s", kOwn)), HasSubstr("schema/s/"));
  const SchemaPtr own = Insert("acme", "s", kShared);
  EXPECT_THAT(SchemaKey(*own), HasSubstr("schema@acme/s/"));
  EXPECT_EQ(TenantOfSchemaKey(SchemaKey(*own)), "acme");
  EXPECT_EQ(TenantOfSchemaKey("schema/s/0123"), "");
  EXPECT_EQ(TenantOfSchemaKey("schema@acme"), "acme");
  const StoredSchema stored = *ParseSchemaRecord(SchemaRecord(*own));
  EXPECT_EQ(stored.tenant, "acme");
  EXPECT_TRUE(stored.add.shared);
  EXPECT_THAT(SchemaRecord(*own), Not(HasSubstr("domain")));
}

}  // namespace
}  // namespace promptcache::testing

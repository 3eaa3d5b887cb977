// Units of one domain are none for another, wherever they are.
#include <gmock/gmock.h>

#include "cachestore/memory/memory_store.h"
#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/kv/recipes.h"

namespace promptcache::testing {
namespace {

using ::testing::ElementsAre;

class EngineDomains : public EngineTest {
 protected:
  EngineRequest Of(const std::string& tenant, uint64_t domain) const {
    EngineRequest request = Request(prompt_, 4);
    request.schema = "s";
    request.tenant = tenant;
    request.domain = domain;
    return request;
  }
  // Where its unit came from, and how many tokens were run to encode it.
  std::pair<Source, uint32_t> Ask(const EngineRequest& request) {
    const auto answer = Run(request);
    EXPECT_TRUE(answer->status().ok()) << answer->status().ToString();
    EXPECT_EQ(answer->tokens(), Reference(prompt_, 4));
    return {answer->usage().units.at(0).source, answer->usage().encoded_tokens};
  }
  BlobUse UseIn(uint64_t domain) {
    const UnitKey key =
        MakeUnitKey(loaded_.identity.Digest(), domain, prompt_.plan().units[0].digest);
    const std::vector<BlobInfo> blobs = *ListAll(store_);
    for (const BlobInfo& blob : blobs) {
      if (blob.key == key) return blob.use;
    }
    ADD_FAILURE() << "no such unit is stored";
    return {};
  }

  const PlanMaker prompt_ =
      PlanMaker().Unit(MakeRecipe({}, RandomIds(40, 1)), {.ttl_ms = 86'400'000}).New({65});
  MemoryBlobStore store_;
};

TEST_F(EngineDomains, WhatAnotherDomainHasInMemoryOrStoredIsEncodedAgain) {
  Start(&store_);
  EXPECT_THAT(Ask(Of("a", 1)).first, Source::kEncoded);
  EXPECT_THAT(Ask(Of("a", 1)).first, Source::kDevice);
  EXPECT_THAT(Ask(Of("b", 2)).first, Source::kEncoded);
  Start(&store_);
  EXPECT_THAT(Ask(Of("c", 3)).first, Source::kEncoded);
  EXPECT_THAT(Ask(Of("a", 1)).first, Source::kDisk);
  engine_ = nullptr;
  EXPECT_EQ(ListAll(store_)->size(), 3u);
}

TEST_F(EngineDomains, TheContextOfAnotherDomainsUnitIsRunAgain) {
  const auto behind = [](uint64_t seed) {
    return PlanMaker().Unit(MakeRecipe(RandomIds(64, 9), RandomIds(8, seed))).New({65});
  };
  const auto tokens = [&](uint64_t seed, uint64_t domain) {
    EngineRequest request = Request(behind(seed), 1);
    request.domain = domain;
    return Run(std::move(request))->usage().encoded_tokens;
  };
  Start();
  EXPECT_EQ(tokens(1, 1), 72u);
  EXPECT_EQ(tokens(2, 1), 8u);
  EXPECT_EQ(tokens(3, 2), 72u);
}

TEST_F(EngineDomains, AReferenceNamesTheTenantThatImports) {
  Start(&store_);
  Ask(Of("a", 0));
  Ask(Of("b", 0));
  engine_ = nullptr;
  std::vector<std::string> tenants;
  for (const BlobReference& one : UseIn(0).references) tenants.push_back(one.reference.tenant);
  EXPECT_THAT(tenants, ElementsAre("a", "b"));
}

TEST_F(EngineDomains, WarmingIsNoUseButWhatItEncodesHasItsReference) {
  EngineRequest warm = Of("a", 1);
  warm.purpose = Purpose::kWarming;
  Start(&store_);
  Ask(warm);
  Start(&store_);
  EXPECT_EQ(Ask(warm).first, Source::kDisk);
  EXPECT_EQ(Ask(warm).first, Source::kDevice);
  engine_ = nullptr;
  EXPECT_EQ(UseIn(1).imports, 0u);
  EXPECT_EQ(UseIn(1).references.size(), 1u);
}

}  // namespace
}  // namespace promptcache::testing

// What a store learns of who uses its units.
#include <gmock/gmock.h>

#include <future>

#include "cachestore/memory/memory_store.h"
#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/kv/recipes.h"
#include "tests/unit/kv/tampering_store.h"

namespace promptcache::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Lifetime kDay{.ttl_ms = 86'400'000};

class EngineImports : public EngineTest {
 protected:
  // Runs the prompt in an engine with empty memory and ends it: what it had to tell is told.
  void RunAlone(const std::vector<EngineRequest>& requests) {
    Start(&store_);
    for (const EngineRequest& request : requests) EXPECT_TRUE(Run(request)->status().ok());
    engine_ = nullptr;
  }

  EngineRequest Of(const std::string& schema) const {
    EngineRequest request = Request(prompt_, 1);
    request.schema = schema;
    return request;
  }

  BlobUse Use() { return ListAll(store_).value().at(0).use; }
  std::vector<promptcache::Reference> References() {
    std::vector<promptcache::Reference> references;
    for (const BlobReference& one : Use().references) references.push_back(one.reference);
    return references;
  }
  static promptcache::Reference By(const std::string& schema) {
    return {.schema = schema, .version = kSchemaVersion, .module = "schema/unit0"};
  }

  const PlanMaker prompt_ = PlanMaker().Unit(MakeRecipe({}, RandomIds(40, 1)), kDay).New({65});
  MemoryBlobStore store_;
};

TEST_F(EngineImports, UnitThatIsEncodedIsStoredWithItsReferenceAndNotCounted) {
  RunAlone({Of("a")});
  EXPECT_THAT(References(), ElementsAre(By("a")));
  EXPECT_EQ(Use().references[0].lifetime, kDay);
  EXPECT_EQ(Use().imports, 0u);
}

TEST_F(EngineImports, UnitThatIsLoadedIsAnImport) {
  RunAlone({Of("a")});
  RunAlone({Of("b")});
  EXPECT_THAT(References(), ElementsAre(By("a"), By("b")));
  EXPECT_EQ(Use().imports, 1u);
}

TEST_F(EngineImports, UnitThatIsInMemoryIsAnImport) {
  RunAlone({Of("a")});
  RunAlone({Of("a"), Of("b"), Of("c")});
  EXPECT_THAT(References(), ElementsAre(By("a"), By("b"), By("c")));
}

TEST_F(EngineImports, ImportsThatFollowEachOtherAreToldOnce) {
  RunAlone({Of("a")});
  RunAlone(std::vector<EngineRequest>(3, Of("a")));
  EXPECT_LT(Use().imports, 4u);  // one told in a second, however slow this machine is
}

TEST_F(EngineImports, RequestsThatWaitTogetherAreAllImports) {
  Start(&store_);
  const auto first = Submit(Of("a")), second = Submit(Of("b"));
  first->Wait(), second->Wait();
  engine_ = nullptr;
  EXPECT_THAT(References(), ElementsAre(By("a"), By("b")));
}

// Another worker is always storing what is put here.
class BusyStore : public TamperingStore {
 public:
  using TamperingStore::TamperingStore;
  Result<std::unique_ptr<BlobWriter>> StartPut(const PutRequest& /*put*/) override {
    return Busy("another worker stores it");
  }
  Status RecordImports(std::span<const UnitImport> imports) override {
    told_.set_value({imports.begin(), imports.end()});
    return {};
  }
  std::vector<UnitImport> WaitUntilTold() { return told_.get_future().get(); }

 private:
  std::promise<std::vector<UnitImport>> told_;
};

TEST_F(EngineImports, PutThatMeetsAnotherWriterIsNoFailureAndItsImportIsToldLater) {
  BusyStore busy(store_);
  Start(&busy);
  EXPECT_TRUE(Run(Of("a"))->status().ok());
  const UnitKey key = Keys(prompt_)[0];
  EXPECT_THAT(busy.WaitUntilTold(), ElementsAre(UnitImport{key, {By("a"), kDay}}));
  (void)Run(PlanMaker().New({65}), 1);  // statistics are written once a step
  EXPECT_EQ(engine_->stats().put_failures, 0u);
  engine_ = nullptr;  // before its store
}

TEST_F(EngineImports, ImportOfAnUnknownSchemaIsNotToldOf) {
  RunAlone({Of("")});
  EXPECT_THAT(References(), IsEmpty());
}

}  // namespace
}  // namespace promptcache::testing

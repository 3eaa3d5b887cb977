#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "cachestore/memory/memory_store.h"
#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/store_tools.h"
#include "tests/unit/cli/store/named_blobs.h"
#include "tools/cli/store/check_report.h"
#include "tools/cli/store/removal.h"
#include "tools/cli/store/stat_report.h"
#include "tools/cli/store/top_frame.h"
#include "tools/cli/table.h"

namespace promptcache::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// A blob of "desk" alone, one of "desk" and "travel", one of "desk" that an operator pinned, and
// one of nobody.
struct SharedStore {
  SharedStore() {
    for (uint32_t seed = 1; seed <= 4; ++seed) {
      const SampleBlob blob = MakeSampleBlob({.seed = seed});
      EXPECT_TRUE(PutBytes(store, blob.key, blob.bytes).ok());
      keys.push_back(blob.key);
    }
    Import(keys[0], "desk/refunds");
    Import(keys[1], "desk/refunds");
    Import(keys[1], "travel/ghent");
    Import(keys[2], "desk/returns");
    EXPECT_TRUE(store.SetPins({.keys = {keys[2]}}, PinChange::kPin).ok());
  }
  void Import(const UnitKey& key, const std::string& module) {
    const UnitImport import{key, {.reference = ReferenceTo(module)}};
    EXPECT_TRUE(store.RecordImports({&import, 1}).ok());
  }

  MemoryBlobStore store;
  std::vector<UnitKey> keys;
};

TEST(Removal, IsPlannedAsTheStoreDoesIt) {
  for (int which = 0; which < 5; ++which) {
    SharedStore shared;
    const std::vector<BlobSelector> selectors = {{.schema = "desk"},
                                                 {.module = "desk/returns"},
                                                 {.tenant = "acme"},
                                                 {.keys = {shared.keys[1], shared.keys[2]}},
                                                 {.schema = "desk", .keys = {shared.keys[0]}}};
    const RemovalReceipt planned = PlanRemoval(ListAll(shared.store).value(), selectors[which]);
    const auto done = shared.store.RemoveReferences(selectors[which], Erasure::kDrop);
    ASSERT_TRUE(done.ok()) << done.status().ToString();
    EXPECT_EQ(planned, *done) << which;
  }
}

TEST(Removal, SaysWhatStaysAndForWhom) {
  SharedStore shared;
  const BlobSelector desk{.schema = "desk"};
  const RemovalReport report =
      ReportRemoval(desk, PlanRemoval(ListAll(shared.store).value(), desk));
  const std::string text = RenderRemoval(report, Removal::kPlanned);
  EXPECT_THAT(text, HasSubstr("unit of travel/ghent@0123456789abcdef"));
  EXPECT_THAT(text, HasSubstr("`promptcache store unpin " + FormatDigest(shared.keys[2]) + "`"));
  EXPECT_THAT(text, HasSubstr("would be: 2 references dropped, 1 units removed"));
  EXPECT_THAT(text, HasSubstr("1 stay because others use them, 1 stay because they are pinned\n"));
  const nlohmann::json json = RemovalToJson(report, Removal::kDone);
  EXPECT_EQ(json["removed"][0]["key"], shared.keys[0].ToHex());
  ASSERT_EQ(json["shared"].size(), 1U);
  EXPECT_EQ(json["shared"][0]["key"], shared.keys[1].ToHex());
  ASSERT_EQ(json["pinned"].size(), 1U);
  EXPECT_EQ(json["pinned"][0]["key"], shared.keys[2].ToHex());
  EXPECT_EQ(json["pinned"][0]["references"][0]["module"], "desk/returns");
  EXPECT_FALSE(json.contains("still_on_disk"));
}

TEST(Removal, NamesWhatIsStillInAFile) {
  RemovalReport report{.receipt = {.removed = {{.key = UnitKey{{0xAB}}}}}};
  EXPECT_THAT(RenderRemoval(report, Removal::kProved), HasSubstr("no file of the store holds"));
  report.receipt.still_on_disk = {UnitKey{{0xAB}}};
  EXPECT_THAT(RenderRemoval(report, Removal::kProved), HasSubstr("a file still holds ab00"));
}

TEST(Removal, ProvesNothingOfWhatStays) {
  const RemovalReport report{.pinned = {{.key = UnitKey{{0xAB}}}}};
  const std::string text = RenderRemoval(report, Removal::kProved);
  EXPECT_THAT(text, HasSubstr("there is nothing to prove"));
  EXPECT_THAT(text, Not(HasSubstr("no file")));
}

TEST(Stat, CountsABlobForEachSchemaThatUsesIt) {
  const std::vector<BlobInfo> blobs = {
      NamedBlob(1, {ReferenceTo("desk/refunds"), ReferenceTo("travel/ghent")}),
      NamedBlob(2, {ReferenceTo("desk/refunds"), ReferenceTo("desk/returns")}), NamedBlob(3, {})};
  const nlohmann::json json = StatReportToJson({}, blobs);
  ASSERT_EQ(json["schemas"].size(), 3U);
  EXPECT_EQ(json["schemas"][0]["schema"], "-");
  EXPECT_EQ(json["schemas"][1]["blobs"], 2);
  EXPECT_EQ(json["schemas"][2]["bytes"], 100);
  ASSERT_EQ(json["models"].size(), 1U);
  EXPECT_EQ(json["models"][0]["blobs"], 3);
}

TEST(Stat, GivesNoRatiosOfNothing) {
  EXPECT_EQ(WriteAmplification({}), std::nullopt);
  EXPECT_EQ(HitRatio({}), std::nullopt);
  EXPECT_EQ(StatsToJson({})["hit_ratio"], nullptr);
  EXPECT_THAT(RenderStatReport({}, {}), Not(HasSubstr("0.0 %")));
  EXPECT_EQ(WriteAmplification({.payload_bytes = 100, .written_bytes = 105}), 1.05);
  EXPECT_EQ(HitRatio({.gets = 4, .hits = 3}), 0.75);
}

TEST(Stat, SaysWhyNothingIsWritten) {
  EXPECT_THAT(RenderStatReport({.read_only = "the disk is full"}, {}),
              HasSubstr("refused: the disk is full"));
}

TEST(Fsck, MarksWhatIsGoneAfterARepair) {
  const CheckFinding missing{.kind = "chunks missing", .where = "aa"};
  const CheckFinding orphan{.kind = "chunks without a manifest", .where = "000007.sst"};
  CheckReport report{.findings = {missing, orphan}};
  MarkRepaired({.findings = {orphan}}, report);
  EXPECT_TRUE(report.findings[0].repaired);
  EXPECT_TRUE(HasFindingsLeft(report));
  EXPECT_THAT(RenderCheck(report), HasSubstr("chunks missing: aa (repaired)"));
  MarkRepaired({}, report);
  EXPECT_FALSE(HasFindingsLeft(report));
}

TEST(Top, GivesRatesOfTheIntervalAndTheMostUsed) {
  const SteadyTime start{};
  TopSample before{.at = start, .stats = {.puts = 10, .gets = 100, .hits = 90}};
  TopSample now{.at = start + std::chrono::seconds(2),
                .stats = {.puts = 11, .gets = 120, .hits = 100},
                .blobs = {NamedBlob(1, {}), NamedBlob(2, {}), NamedBlob(3, {})}};
  now.blobs[1].use.weight = 5;
  now.blobs[2].use.weight = 3;
  const TopFrame frame = MakeTopFrame(before, now, 2);
  EXPECT_EQ(frame.gets_per_second, 10);
  EXPECT_EQ(frame.hits_per_second, 5);
  EXPECT_EQ(frame.puts_per_second, 0.5);
  EXPECT_THAT(KeysOf(frame.most_used), ElementsAre(UnitKey{{2}}, UnitKey{{3}}));
}

TEST(Top, TakesASmallerCounterForAStoreThatWasOpenedAnew) {
  const TopSample before{.stats = {.gets = 100}};
  const TopSample now{.at = SteadyTime{} + std::chrono::seconds(1), .stats = {.gets = 3}};
  EXPECT_EQ(MakeTopFrame(before, now, 1).gets_per_second, 0);
  EXPECT_THAT(RenderTop(MakeTopFrame(before, now, 1)), Not(HasSubstr("reads only")));
}

}  // namespace
}  // namespace promptcache::testing

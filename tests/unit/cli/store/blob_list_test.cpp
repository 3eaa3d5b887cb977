#include "tools/cli/store/blob_list.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "cachestore/format/blob.h"
#include "tests/unit/cli/store/named_blobs.h"
#include "tools/cli/store/selection.h"
#include "tools/cli/table.h"

namespace promptcache::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const UnitKey kOne{{1}};
const UnitKey kTwo{{2}};
const UnitKey kThree{{3}};

std::vector<BlobInfo> ThreeBlobs() {
  std::vector<BlobInfo> blobs = {NamedBlob(1, {ReferenceTo("travel/ghent")}), NamedBlob(2, {}),
                                 NamedBlob(3, {ReferenceTo("desk/refunds", "acme")})};
  blobs[0].bytes = 300;
  blobs[0].committed_unix_ms = 3'000;
  blobs[0].use.used_unix_ms = 3'000;
  blobs[1].bytes = 200;
  blobs[1].committed_unix_ms = 1'000;
  blobs[1].use.used_unix_ms = 9'000;
  blobs[1].tokens = 50;
  blobs[2].committed_unix_ms = 2'000;
  blobs[2].use.imports = 7;
  return blobs;
}

std::vector<UnitKey> Sorted(BlobOrder order) {
  std::vector<BlobInfo> blobs = ThreeBlobs();
  SortBlobs(order, blobs);
  return KeysOf(blobs);
}

TEST(BlobList, SortsTheMostFirst) {
  EXPECT_THAT(Sorted(BlobOrder::kKey), ElementsAre(kOne, kTwo, kThree));
  EXPECT_THAT(Sorted(BlobOrder::kSize), ElementsAre(kOne, kTwo, kThree));
  EXPECT_THAT(Sorted(BlobOrder::kAge), ElementsAre(kTwo, kThree, kOne));
  EXPECT_THAT(Sorted(BlobOrder::kUsed), ElementsAre(kTwo, kOne, kThree));
  EXPECT_THAT(Sorted(BlobOrder::kSaved), ElementsAre(kThree, kOne, kTwo));
  EXPECT_THAT(Sorted(BlobOrder::kTokens), ElementsAre(kTwo, kOne, kThree));
}

TEST(BlobList, SortsBySchemaWithWhatNobodyUsesLast) {
  EXPECT_THAT(Sorted(BlobOrder::kSchema), ElementsAre(kThree, kOne, kTwo));
}

TEST(BlobList, KeepsWhatTheFilterMeans) {
  EXPECT_THAT(KeysOf(FilterBlobs({}, ThreeBlobs())), ElementsAre(kOne, kTwo, kThree));
  EXPECT_THAT(KeysOf(FilterBlobs({.selector = {.schema = "desk"}}, ThreeBlobs())),
              ElementsAre(kThree));
  EXPECT_THAT(KeysOf(FilterBlobs({.selector = {.module = "travel"}}, ThreeBlobs())),
              ElementsAre(kOne));
  EXPECT_THAT(KeysOf(FilterBlobs({.selector = {.tenant = "acme"}}, ThreeBlobs())),
              ElementsAre(kThree));
  EXPECT_THAT(KeysOf(FilterBlobs({.model = "11b"}, ThreeBlobs())), ElementsAre());
}

TEST(BlobList, TakesAPinOfAReferenceForOneOfTheBlob) {
  std::vector<BlobInfo> blobs = ThreeBlobs();
  blobs[0].use.references[0].lifetime.pinned = true;
  blobs[1].use.pinned = true;
  EXPECT_THAT(KeysOf(FilterBlobs({.pinned = true}, blobs)), ElementsAre(kOne, kTwo));
}

TEST(BlobList, HasNumbersAsNumbers) {
  std::vector<BlobInfo> blobs = ThreeBlobs();
  blobs[2].use.references[0].lifetime.ttl_ms = 1'500;
  const nlohmann::json json = BlobsToJson(blobs);
  EXPECT_EQ(json["totals"]["bytes"], 600);
  EXPECT_EQ(json["totals"]["saved_seconds"], 14.0);
  EXPECT_EQ(json["blobs"][2]["saved_seconds"], 14.0);
  EXPECT_EQ(json["blobs"][2]["references"][0]["ttl_seconds"], 1.5);
  EXPECT_EQ(json["blobs"][2]["references"][0]["tenant"], "acme");
  EXPECT_EQ(json["blobs"][0]["committed_unix_ms"], 3'000);
}

TEST(BlobList, SaysAgesAndTotalsToPeople) {
  std::vector<BlobInfo> blobs = ThreeBlobs();
  blobs[2].use.references.push_back({.reference = ReferenceTo("desk/returns")});
  const std::string text = RenderBlobs(blobs, 63'000);
  EXPECT_THAT(text, HasSubstr("desk/refunds +1"));
  EXPECT_THAT(text, HasSubstr("1 min"));
  EXPECT_THAT(text, HasSubstr("3 blobs, 70 tokens, 600 B; encoded in 6.00 s, 14.00 s of encoding"));
}

TEST(BlobList, NamesALayoutThatIsNotTheDtypesOwn) {
  std::vector<BlobInfo> blobs = ThreeBlobs();
  for (BlobInfo& blob : blobs) blob.identity.kv_layout = kBlobLayout;
  blobs[1].identity.kv_layout = kInt8Layout;
  blobs[1].identity.dtype = "bf16";
  const std::string text = RenderBlobs(blobs, 0);
  EXPECT_THAT(text, HasSubstr("bf16 lkhtd-int8-v1"));
  EXPECT_THAT(text, Not(HasSubstr(std::string(kBlobLayout))));
}

TEST(Selection, FindsAKeyByItsFirstDigits) {
  const std::vector<BlobInfo> blobs = ThreeBlobs();
  EXPECT_EQ(*FindKey(blobs, "02"), kTwo);
  EXPECT_EQ(FindKey(blobs, "0").status().code(), Code::kInvalidArgument);
  EXPECT_THAT(FindKey(blobs, "0").status().message(),
              HasSubstr("3 keys begin with 0: 010000000000 020000000000 030000000000;"));
  EXPECT_EQ(FindKey(blobs, "ff").status().code(), Code::kNotFound);
  EXPECT_THAT(FindKey(blobs, "desk").status().message(), HasSubstr("'desk' is no key"));
}

TEST(Selection, MustMeanABlobWhereItNamesAny) {
  const SelectionFlags typo{.selector = {.tenant = "acme", .schema = "desc"}};
  const Status missing = SelectorOfSome(ThreeBlobs(), typo).status();
  EXPECT_EQ(missing.code(), Code::kNotFound);
  EXPECT_THAT(missing.message(), HasSubstr("is of schema 'desc', tenant 'acme';"));
  EXPECT_TRUE(SelectorOfSome(ThreeBlobs(), {.selector = {.schema = "desk"}}).ok());
  EXPECT_TRUE(SelectorOfSome({}, {}).ok());
}

TEST(Selection, NeedsBothAKeyAndAReferenceWhereBothAreNamed) {
  BlobSelector selector{.schema = "desk"};
  EXPECT_THAT(KeysOf(Selected(selector, ThreeBlobs())), ElementsAre(kThree));
  selector.keys = {kOne};
  EXPECT_THAT(KeysOf(Selected(selector, ThreeBlobs())), ElementsAre());
}

TEST(FormatSpan, RoundsDownToOneUnit) {
  EXPECT_EQ(FormatSpan(59.9), "59 s");
  EXPECT_EQ(FormatSpan(3'599), "59 min");
  EXPECT_EQ(FormatSpan(86'399), "23 h");
  EXPECT_EQ(FormatSpan(200'000), "2 d");
}

}  // namespace
}  // namespace promptcache::testing

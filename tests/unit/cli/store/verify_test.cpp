#include "tools/cli/store/verify.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "cachestore/memory/memory_store.h"
#include "tests/unit/cachestore/forwarding_store.h"
#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/store_tools.h"
#include "tests/unit/cli/store/named_blobs.h"
#include "tools/cli/store/blob_detail.h"

namespace promptcache::testing {
namespace {

using ::testing::HasSubstr;

class Verify : public ::testing::Test {
 protected:
  void SetUp() override {
    for (uint32_t seed = 1; seed <= 5; ++seed) {
      const SampleBlob blob = MakeSampleBlob({.seed = seed});
      ASSERT_TRUE(PutBytes(store_, blob.key, blob.bytes).ok());
    }
    blobs_ = ListAll(store_).value();
  }
  VerifyReport Check(unsigned threads = 3) {
    return VerifyBlobs(store_, blobs_, threads, nullptr).value();
  }

  MemoryBlobStore store_;
  std::vector<BlobInfo> blobs_;
};

TEST_F(Verify, ReadsEveryByteAndSaysHowFarItIs) {
  uint64_t last = 0;
  uint64_t total = 0;
  const auto report = VerifyBlobs(store_, blobs_, 3, [&](uint64_t done, uint64_t of) {
    EXPECT_GT(done, last);
    last = done;
    total = of;
  });
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->blobs, 5U);
  EXPECT_EQ(report->bytes, total);
  EXPECT_EQ(last, total);
  EXPECT_TRUE(report->damaged.empty());
}

// Lists one unit under another's recipe until it is repaired.
class MislabelledStore : public ForwardingStore {
 public:
  MislabelledStore(BlobStore& inner, const UnitKey& key) : ForwardingStore(inner), key_(key) {}

  void Repair() { key_ = {}; }
  Result<BlobPage> List(const BlobPageRequest& request) override {
    PC_ASSIGN_OR_RETURN(BlobPage page, inner().List(request));
    for (BlobInfo& blob : page.blobs) {
      if (blob.key != key_) continue;
      blob.recipe = {};
      blob.use.references = {{.reference = ReferenceTo("desk/refunds")}};
    }
    return page;
  }

 private:
  UnitKey key_;
};

TEST_F(Verify, NamesABlobThatIsAnotherUnit) {
  MislabelledStore store(store_, blobs_[2].key);
  blobs_ = ListAll(store).value();
  VerifyReport report = Check();
  ASSERT_EQ(report.damaged.size(), 1U);
  EXPECT_EQ(report.damaged[0].key, blobs_[2].key);
  EXPECT_THAT(RenderVerify(report), HasSubstr("unit of desk/refunds@0123456789abcdef"));
  EXPECT_TRUE(HasDamageLeft(report));
  ASSERT_TRUE(DropDamaged(store, store_, report).ok());
  EXPECT_FALSE(HasDamageLeft(report));
  EXPECT_EQ(ListAll(store_).value().size(), 4U);
}

TEST_F(Verify, DropsNothingThatWasStoredAnewMeanwhile) {
  MislabelledStore store(store_, blobs_[2].key);
  blobs_ = ListAll(store).value();
  VerifyReport report = Check();
  ASSERT_EQ(report.damaged.size(), 1U);
  store.Repair();
  ASSERT_TRUE(DropDamaged(store, store_, report).ok());
  EXPECT_FALSE(HasDamageLeft(report));
  EXPECT_EQ(ListAll(store_).value().size(), 5U);
}

TEST_F(Verify, PassesOverWhatIsGoneMeanwhile) {
  ASSERT_TRUE(store_.Remove(blobs_[0].key).ok());
  const VerifyReport report = Check();
  EXPECT_EQ(report.blobs, 4U);
  EXPECT_TRUE(report.damaged.empty());
}

TEST_F(Verify, AddsDamageOfBlobsThatAreNotListed) {
  blobs_[2].recipe = {};
  VerifyReport report = Check();
  const UnitKey unlisted{{0xEE}};
  AddFindings({.findings = {{.kind = "chunks missing", .where = unlisted.ToHex() + ": no file"},
                            {.kind = "manifest damaged", .where = blobs_[2].key.ToHex()},
                            {.kind = "chunks without a manifest", .where = "000017.sst"}}},
              report);
  ASSERT_EQ(report.damaged.size(), 2U);
  EXPECT_EQ(report.damaged[1].key, unlisted);
  EXPECT_EQ(report.damaged[1].reason, "chunks missing: no file");
  EXPECT_EQ(VerifyToJson(report)["damaged"][1]["dropped"], false);
}

TEST_F(Verify, ShowsChecksumsAndNormsOfOneBlob) {
  const auto detail =
      ReadDetail(store_, blobs_[0],
                 {.head_bytes = 20, .segments = Segments::kRecomputed, .norms = Norms::kComputed});
  ASSERT_TRUE(detail.ok()) << detail.status().ToString();
  EXPECT_TRUE(IsIntact(*detail));
  EXPECT_EQ(detail->recomputed[1], detail->header.segments[1].hash.ToHex());
  EXPECT_EQ(detail->norms.size(), 2U);
  EXPECT_THAT(RenderDetail(*detail), HasSubstr("00000000  50 43 4b 56"));
  const nlohmann::json json = DetailToJson(*detail);
  EXPECT_EQ(json["head_hex"].get<std::string>().size(), 40U);
  EXPECT_EQ(json["recipe_tokens"]["own"]["ids"].size(), 4U);
  EXPECT_EQ(json["intact"], true);
}

TEST_F(Verify, FindsASegmentThatHasAnotherChecksum) {
  auto detail = ReadDetail(store_, blobs_[0], {.segments = Segments::kRecomputed}).value();
  detail.recomputed[1] = "";
  EXPECT_FALSE(IsIntact(detail));
  EXPECT_THAT(RenderDetail(detail), HasSubstr("DAMAGED"));
}

TEST(HexDump, ShowsBytesAndWhatOfThemIsText) {
  EXPECT_EQ(HexDump({'P', 'C', 0, 0xFF}),
            "00000000  50 43 00 ff                                      PC..\n");
}

TEST(Norms, AreMeansOfTheLengthsOfVectors) {
  // Two heads of one token: keys (3, 4) and (0, 0), values (1, 0) and (0, 1).
  const std::vector<float> layer = {3, 4, 0, 0, 1, 0, 0, 1};
  const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(layer.data()), 32);
  const LayerNorms norms =
      NormsOf(BlobDtype::kFloat32, {.layers = 1, .kv_heads = 2, .tokens = 1, .head_dim = 2}, bytes);
  EXPECT_EQ(norms, (LayerNorms{.key = 2.5, .value = 1}));
}

TEST(Norms, ReadHalfPrecision) {
  const std::vector<uint16_t> bf16 = {0x4040, 0x4080, 0x3F80, 0x0000};  // 3, 4, 1, 0
  const std::vector<uint16_t> fp16 = {0x4200, 0x4400, 0x3C00, 0x0000};
  const BlobShape shape{.layers = 1, .kv_heads = 1, .tokens = 1, .head_dim = 2};
  const auto bytes = [](const std::vector<uint16_t>& values) {
    return std::span<const uint8_t>(reinterpret_cast<const uint8_t*>(values.data()), 8);
  };
  const LayerNorms expected{.key = 5, .value = 1};
  EXPECT_EQ(NormsOf(BlobDtype::kBfloat16, shape, bytes(bf16)), expected);
  EXPECT_EQ(NormsOf(BlobDtype::kFloat16, shape, bytes(fp16)), expected);
}

TEST(Norms, ArePlottedAgainstTheLargest) {
  const std::string text = RenderNorms({{.key = 2, .value = 0}, {.key = 1, .value = 0}});
  EXPECT_THAT(text, HasSubstr("2 ########################"));
  EXPECT_THAT(text, HasSubstr("1 ############ "));
}

}  // namespace
}  // namespace promptcache::testing

// The bytes of version 1, as they were written when it was fixed: they must be read forever.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "cluster/wire/codec.h"
#include "tests/unit/wire/sample_messages.h"

namespace promptcache {
namespace {

using testing::GoldenFileName;
using testing::SampleEnvelopes;

const std::filesystem::path kFolder =
    std::filesystem::path(PROMPTCACHE_SOURCE_DIR) / "tests" / "golden" / "wire" / "v1";

std::vector<uint8_t> ReadGolden(const Envelope& sample) {
  std::ifstream file(kFolder / GoldenFileName(sample), std::ios::binary);
  EXPECT_TRUE(file) << GoldenFileName(sample) << " is missing; tests/golden/wire/README.md";
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(GoldenWire, TodaysDecoderReadsEveryFile) {
  for (const Envelope& sample : SampleEnvelopes()) {
    const auto decoded = DecodeEnvelope(ReadGolden(sample));
    ASSERT_TRUE(decoded.ok()) << GoldenFileName(sample) << ": " << decoded.status().ToString();
    EXPECT_EQ(*decoded, sample) << GoldenFileName(sample);
  }
}

TEST(GoldenWire, TodaysEncoderWritesEveryFile) {
  for (const Envelope& sample : SampleEnvelopes()) {
    EXPECT_EQ(EncodeEnvelope(sample), ReadGolden(sample)) << GoldenFileName(sample);
  }
}

TEST(GoldenWire, EveryFileBelongsToASample) {
  std::set<std::string> expected;
  for (const Envelope& sample : SampleEnvelopes()) expected.insert(GoldenFileName(sample));
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    found.insert(entry.path().filename().string());
  }
  EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace promptcache

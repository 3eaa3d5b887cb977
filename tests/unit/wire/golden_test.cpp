// The bytes of version 1, as they were written when it was fixed: they must be read forever. And
// what schemas/WIRE.md says about them.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "cluster/wire/codec.h"
#include "tests/unit/wire/sample_messages.h"

namespace promptcache {
namespace {

using testing::GoldenFileName;
using testing::SampleEnvelopes;

const std::filesystem::path kRoot(PROMPTCACHE_SOURCE_DIR);
const std::filesystem::path kFolder = kRoot / "tests" / "golden" / "wire" / "v1";

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

// "schema_add" -> "SchemaAdd"
std::string CamelCase(std::string_view name) {
  std::string out;
  bool upper = true;
  for (const char c : name) {
    if (c != '_') out += upper ? static_cast<char>(c - 'a' + 'A') : c;
    upper = c == '_';
  }
  return out;
}

TEST(WireDocument, HexExampleIsWhatTheEncoderWrites) {
  std::ifstream in(kRoot / "schemas" / "WIRE.md");
  std::string line;
  while (std::getline(in, line) && line != "```hex") {
  }
  std::vector<uint8_t> documented;
  while (std::getline(in, line) && line != "```") {
    std::istringstream hex(line.substr(line.find(':') + 1, 3 * 16));
    for (std::string byte; hex >> byte;) {
      documented.push_back(static_cast<uint8_t>(std::stoi(byte, nullptr, 16)));
    }
  }
  EXPECT_EQ(documented, EncodeEnvelope({.body = Hello{.role = PeerRole::kClient, .name = "demo"}}));
}

TEST(WireDocument, NamesEveryMessage) {
  std::ostringstream text;
  text << std::ifstream(kRoot / "schemas" / "WIRE.md").rdbuf();
  for (const Envelope& sample : SampleEnvelopes()) {
    const std::string name = CamelCase(MessageName(sample.body));
    EXPECT_NE(text.str().find(name), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace promptcache

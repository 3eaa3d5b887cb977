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

using testing::GoldenMessage;
using testing::GoldenMessages;
using testing::SampleEnvelopes;

const std::filesystem::path kRoot(PROMPTCACHE_SOURCE_DIR);
const std::filesystem::path kFolder = kRoot / "tests" / "golden" / "wire" / "v1";

std::vector<uint8_t> ReadGolden(const std::string& name) {
  std::ifstream file(kFolder / name, std::ios::binary);
  EXPECT_TRUE(file) << name << " is missing; tests/golden/wire/README.md";
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(GoldenWire, TodaysDecoderReadsEveryFile) {
  for (const GoldenMessage& golden : GoldenMessages()) {
    const auto decoded = DecodeEnvelope(ReadGolden(golden.file));
    ASSERT_TRUE(decoded.ok()) << golden.file << ": " << decoded.status().ToString();
    EXPECT_EQ(*decoded, golden.envelope) << golden.file;
  }
}

TEST(GoldenWire, TodaysEncoderWritesEveryFile) {
  for (const GoldenMessage& golden : GoldenMessages()) {
    EXPECT_EQ(EncodeEnvelope(golden.envelope), ReadGolden(golden.file)) << golden.file;
  }
}

TEST(GoldenWire, EveryFileBelongsToASample) {
  std::set<std::string> expected;
  for (const GoldenMessage& golden : GoldenMessages()) expected.insert(golden.file);
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

#include "tools/cli/store/probe_file.h"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache::testing {
namespace {

using ::testing::HasSubstr;

class ProbeFile : public ::testing::Test {
 protected:
  Result<PackProbe> Read(const std::string& text) {
    std::ofstream(directory_.Sub("probe.json"), std::ios::binary) << text;
    return ReadProbeFile(directory_.Sub("probe.json"));
  }

  const TempDir directory_;
};

TEST_F(ProbeFile, ReadsWhatItWrites) {
  const PackProbe probe{.model = "tiny",
                        .identity = {.weights = "11aa",
                                     .tokenizer = "22bb",
                                     .positions = "rope",
                                     .dtype = "bf16",
                                     .kv_layout = "lkhtd-v1",
                                     .encoder = "1"},
                        .schema = {.path = "desk.xml", .text = "<schema name=\"desk\"/>"},
                        .sources = {{.path = "faq.txt", .text = "na\xc3\xafve\n"}},
                        .max_tokens = 64,
                        .prompt = "<prompt schema=\"desk\">Hi</prompt>",
                        .expected = {7, 1, 9}};
  const auto read = Read(ProbeText(probe));
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(*read, probe);
}

TEST_F(ProbeFile, SaysWhatIsMissing) {
  for (const auto& [text, why] : {std::pair("{}", "identity"), {"[1", "parse"}}) {
    const auto read = Read(text);
    EXPECT_EQ(read.status().code(), Code::kInvalidArgument);
    EXPECT_THAT(read.status().message(), HasSubstr("probe.json is not a probe"));
    EXPECT_THAT(read.status().message(), HasSubstr(why));
  }
  EXPECT_EQ(ReadProbeFile(directory_.Sub("nothing")).status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace promptcache::testing

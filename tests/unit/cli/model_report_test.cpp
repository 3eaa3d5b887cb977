#include "tools/cli/model_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/fakes/test_env.h"
#include "tests/unit/cachestore/temp_dir.h"
#include "tests/unit/formats/gguf_builder.h"
#include "tools/cli/progress.h"

namespace promptcache::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(ModelInspect, TellsTypesStatesAndIdentity) {
  const auto model = ModelPath();
  PC_SKIP_WITHOUT(model, "the model");
  const auto report = InspectModel(model->string(), DigestSource::kCached, nullptr);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  const auto json = ModelReportToJson(*report);
  EXPECT_EQ(json["architecture"], "llama");
  EXPECT_EQ(json["supported"], true);
  EXPECT_EQ(json["parameters"], 134'515'008);
  EXPECT_EQ(json["states"]["bf16_bytes_per_token"], 2 * 30 * 3 * 64 * 2);
  EXPECT_EQ(json["positions"], "rope theta=100000 dim=64 scaling=none layout=half");
  EXPECT_EQ(json["identities"][1]["dtype"], "bf16");
  EXPECT_THAT(RenderModelReport(*report), AllOf(HasSubstr("Q4_1"), HasSubstr("chatml")));
}

TEST(ModelInspect, AnUnsupportedModelSaysWhatItIsAndWhatIsSupported) {
  const TempDir folder;
  const auto bytes = GgufBuilder()
                         .String("general.architecture", "mamba")
                         .Tensor("x", GgufTensorType::kF32, {2}, std::vector<uint8_t>(8))
                         .Build();
  const std::string path = folder.Sub("mamba.gguf");
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<ptrdiff_t>(bytes.size()));
  const auto report = InspectModel(path, DigestSource::kCached, nullptr);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->supported.code(), Code::kUnimplemented);
  EXPECT_EQ(report->architecture, "mamba");
  EXPECT_EQ(report->parameters(), 2u);
  EXPECT_THAT(RenderModelReport(*report), AllOf(HasSubstr("'mamba'"), HasSubstr("falcon")));
  EXPECT_EQ(ModelReportToJson(*report)["supported"], false);
}

TEST(ModelInspect, AFileThatIsNoModelIsAnError) {
  const TempDir folder;
  std::ofstream(folder.Sub("text")) << "not a model at all";
  const auto report = InspectModel(folder.Sub("text"), DigestSource::kCached, nullptr);
  EXPECT_EQ(report.status().code(), Code::kInvalidArgument);
}

TEST(Progress, IsABar) {
  EXPECT_EQ(ProgressLine("reading", 1 << 19, 1 << 20),
            "reading [###############---------------]  50 % of 1.0 MiB");
  EXPECT_EQ(ProgressLine("reading", 0, 0), "reading [##############################] 100 % of 0 B");
}

}  // namespace
}  // namespace promptcache::testing

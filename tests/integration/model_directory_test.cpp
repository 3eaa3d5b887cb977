// Hugging Face directories through the whole system: tiny models of each family.
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/integration/cluster_fixture.h"
#include "tests/integration/tiny_model_directory.h"

namespace promptcache::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

class ModelDirectory : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    WriteTinyModel(GetParam(), directory_);
    Write("desk.xml",
          "<schema name=\"desk\"><module name=\"returns\">Thirty days.</module>"
          "<module name=\"shipping\">Shipping is free.</module></schema>");
    Write("ask.xml", "<prompt schema=\"desk\"><returns/><shipping/>How long?</prompt>");
  }
  void TearDown() override { fs::remove_all(directory_); }

  void Write(const char* name, const std::string& text) const {
    std::ofstream(directory_ / name) << text;
  }
  ProgramResult Run(std::vector<std::string> more) const {
    std::vector<std::string> arguments = {"run",
                                          "--model",
                                          directory_,
                                          "--schema",
                                          directory_ / "desk.xml",
                                          "--prompt",
                                          directory_ / "ask.xml",
                                          "--json",
                                          "--max-new-tokens",
                                          "6"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunProgram("promptcache", arguments);
  }

  const fs::path directory_ = [] {
    std::string name = (fs::temp_directory_path() / "pc-model-XXXXXX").string();
    return fs::path(::mkdtemp(name.data()));
  }();
};

TEST_P(ModelDirectory, AnswersAndLoadsItsUnitsAgain) {
  const std::string store = directory_ / "units";
  const ProgramResult first = Run({"--store", store});
  ASSERT_EQ(first.exit_code, 0) << first.errors;
  const ProgramResult second = Run({"--store", store});
  ASSERT_EQ(second.exit_code, 0) << second.errors;
  const json encoded = json::parse(first.output), loaded = json::parse(second.output);
  EXPECT_EQ(encoded["tokens"].size(), 6U);
  EXPECT_EQ(encoded["tokens"], loaded["tokens"]);
  for (const json& unit : encoded["usage"]["units"]) EXPECT_EQ(unit["source"], "encoded");
  for (const json& unit : loaded["usage"]["units"]) EXPECT_EQ(unit["source"], "disk");
}

TEST_P(ModelDirectory, UnitsOfOtherSettingsAreNotTaken) {
  const std::string store = directory_ / "units";
  ASSERT_EQ(Run({"--store", store}).exit_code, 0);
  json config = json::parse(std::ifstream(directory_ / "config.json"));
  for (const char* epsilon : {"rms_norm_eps", "layer_norm_epsilon"}) config[epsilon] = 0.25;
  Write("config.json", config.dump());
  const ProgramResult other = Run({"--store", store});
  ASSERT_EQ(other.exit_code, 0) << other.errors;
  const json answer = json::parse(other.output);
  for (const json& unit : answer["usage"]["units"]) EXPECT_EQ(unit["source"], "encoded");
}

TEST_P(ModelDirectory, WithoutItsWeightsNamesTheFile) {
  fs::remove(directory_ / "model.safetensors");
  const ProgramResult run = Run({});
  EXPECT_NE(run.exit_code, 0);
  EXPECT_THAT(run.errors, HasSubstr("model.safetensors"));
}

INSTANTIATE_TEST_SUITE_P(Families, ModelDirectory,
                         ::testing::Values("llama3", "qwen2", "falcon_7b", "falcon_rw", "mpt"),
                         [](const auto& model) { return std::string(model.param); });

}  // namespace
}  // namespace promptcache::testing

#include "tools/precompute/model_producer.h"

#include <gmock/gmock.h>

#include <fstream>

#include "cachestore/memory/memory_store.h"
#include "tests/unit/cachestore/temp_dir.h"
#include "tests/unit/model/tiny_llama.h"

namespace promptcache::testing {
namespace {

class ModelProducerTest : public ::testing::Test {
 protected:
  // Nested modules, a long root, a set, and every module seeing all before it.
  std::string WriteSchema() const {
    std::string text = "<schema name=\"s\" encoding=\"schema\">" + std::string(600, 'r');
    for (const char* name : {"a", "b", "c", "d", "e", "f"}) {
      text += "<module name=\"" + std::string(name) + "\">" + std::string(90, *name) +
              "<module name=\"in\">" + std::string(70, *name) + "</module> end</module>";
    }
    std::ofstream(directory_.Sub("s.xml")) << text << "<scaffold modules=\"a b\"/></schema>";
    return directory_.Sub("s.xml");
  }

  const TempDir directory_;
};

TEST_F(ModelProducerTest, RunsAsManyTokensAsWereForecast) {
  const ManifestModel model{.name = "tiny", .path = TinyLlamaPath(), .dtype = "fp32"};
  const Manifest manifest{.models = {model}, .schemas = {{.file = WriteSchema()}}};
  auto plan = PlanModel(manifest, model, {});
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  auto producer = ModelProducer::Load(*plan, {.threads = 1});
  ASSERT_TRUE(producer.ok()) << producer.status().ToString();
  MemoryBlobStore store;
  for (const WorkUnit& unit : plan->units) {
    const auto run = (*producer)->Produce(unit, store);
    ASSERT_TRUE(run.ok()) << run.status().ToString();
    EXPECT_EQ(run->tokens, unit.run_tokens()) << unit.module();
  }
  EXPECT_EQ(store.Stats()->bytes, TotalOf(plan->units).bytes);
  EXPECT_EQ(ListAll(store).value()[0].identity, plan->format.identity);
}

TEST_F(ModelProducerTest, Int8TakesTheBytesThatWereForecastAndZstdFewer) {
  for (const char* name : {"int8", "int8-zstd"}) {
    const ManifestModel model{.name = "tiny",
                              .path = TinyLlamaPath(),
                              .dtype = "fp32",
                              .compression = ParseCompression(name).value()};
    auto plan = PlanModel({.models = {model}, .schemas = {{.file = WriteSchema()}}}, model, {});
    ASSERT_TRUE(plan.ok()) << plan.status().ToString();
    auto producer = ModelProducer::Load(*plan, {.threads = 1});
    ASSERT_TRUE(producer.ok()) << producer.status().ToString();
    MemoryBlobStore store;
    for (const WorkUnit& unit : plan->units) {
      ASSERT_TRUE((*producer)->Produce(unit, store).ok()) << unit.module();
    }
    const uint64_t forecast = TotalOf(plan->units).bytes;
    EXPECT_LE(store.Stats()->bytes, forecast);
    EXPECT_EQ(store.Stats()->bytes == forecast, std::string(name) == "int8");
    EXPECT_EQ(ListAll(store).value()[0].identity.kv_layout, kInt8Layout);
  }
}

TEST_F(ModelProducerTest, AModelThatChangedSinceThePlanIsRefused) {
  const ManifestModel model{.name = "tiny", .path = TinyLlamaPath(), .dtype = "fp32"};
  auto plan = PlanModel({.models = {model}, .schemas = {{.file = WriteSchema()}}}, model, {});
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  plan->format.identity.weights = "others";
  EXPECT_EQ(ModelProducer::Load(*plan, {.threads = 1}).status().code(), Code::kFailedPrecondition);
}

TEST_F(ModelProducerTest, MeasuresARate) {
  const ManifestModel model{.name = "tiny", .path = TinyLlamaPath(), .dtype = "fp32"};
  auto plan = PlanModel({.models = {model}, .schemas = {{.file = WriteSchema()}}}, model, {});
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  const auto producer = ModelProducer::Load(*plan, {.threads = 1});
  ASSERT_TRUE(producer.ok()) << producer.status().ToString();
  EXPECT_GT((*producer)->MeasureRate().value(), 0);
}

}  // namespace
}  // namespace promptcache::testing

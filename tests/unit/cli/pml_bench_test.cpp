#include "tools/bench/pml_bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/text/toy_tokenizer.h"
#include "coordinator/plan/plan_builder.h"

namespace promptcache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

PmlReport SampleReport() {
  PmlReport report{.cpu = "a CPU", .schema_bytes = 32'000, .schema_tokens = 7'000};
  report.schema.samples = {5, 9, 7};
  report.schema_first.samples = {11};
  report.schema_parse.samples = {1};
  report.prompt.samples = {30, 20, 40};
  report.documents = {
      {.name = "text_1", .bytes = 1'000'000, .parse = {{5}}, .layout = {{1}}},
      {.name = "text_4", .bytes = 4'000'000, .parse = {{40}}, .layout = {{4}}},
      {.name = "tags", .bytes = 1'000'000, .parse = {{50}}, .layout = {{6}}},
      {.name = "units_65536", .bytes = 3'000'000, .parse = {{200}}, .layout = {{60, 80, 70}}},
  };
  return report;
}

TEST(Series, MedianAndPercentileOfEvenAndOddCounts) {
  EXPECT_EQ(Series().median(), 0);
  EXPECT_EQ(Series().p99(), 0);
  EXPECT_EQ((Series{{3, 1, 2}}.median()), 2);
  EXPECT_EQ((Series{{4, 1, 2, 3}}.median()), 2.5);
  EXPECT_EQ((Series{{3, 1, 2}}.p99()), 3);
  Series hundred;
  for (int i = 100; i > 0; --i) hundred.samples.push_back(i);
  EXPECT_EQ(hundred.p99(), 99);
  EXPECT_EQ(hundred.minimum(), 1);
  EXPECT_EQ(hundred.maximum(), 100);
}

TEST(PmlReport, JsonHasTheHeadlineNumbers) {
  const nlohmann::json json = PmlToJson(SampleReport());
  EXPECT_EQ(json["schema_ms"], 7.0);
  EXPECT_EQ(json["schema_ms_min"], 5.0);
  EXPECT_EQ(json["schema_ms_max"], 9.0);
  EXPECT_EQ(json["schema_first_ms"], 11.0);
  EXPECT_EQ(json["schema_parse_ms"], 1.0);
  EXPECT_EQ(json["prompt_us"], 30.0);
  EXPECT_EQ(json["prompt_us_p99"], 40.0);
  EXPECT_EQ(json["text_mb_per_s"], 100.0) << "of the slowest size";
  EXPECT_EQ(json["tags_mb_per_s"], 20.0);
  EXPECT_EQ(json["layout_65536_ms"], 70.0);
  EXPECT_EQ(json["schema_bytes"], 32'000);
  EXPECT_EQ(json["schema_tokens"], 7'000);
  EXPECT_EQ(json["cpu"], "a CPU");
  EXPECT_TRUE(json["build_type"].is_string());
  EXPECT_TRUE(json["version"].is_string());
  ASSERT_EQ(json["documents"].size(), 4U);
  const nlohmann::json& text = json["documents"][1];
  EXPECT_EQ(text["name"], "text_4");
  EXPECT_EQ(text["bytes"], 4'000'000);
  EXPECT_EQ(text["parse_ms"], 40.0);
  EXPECT_EQ(text["parse_mb_per_s"], 100.0);
  EXPECT_EQ(text["layout_ms"], 4.0);
}

TEST(PmlReport, TableHasEveryDocument) {
  const std::string table = RenderPml(SampleReport());
  EXPECT_THAT(table, HasSubstr("a CPU"));
  EXPECT_THAT(table, HasSubstr("prompt: parse, plan"));
  for (const char* name : {"text_1", "text_4", "tags", "units_65536"}) {
    EXPECT_THAT(table, HasSubstr(name));
  }
}

TEST(PmlWorkload, DocumentsLoadWithinTheLimits) {
  for (const std::string& document :
       {TextDocument(1 << 20), TagsDocument(1 << 20), NestedDocument(12'000, 1),
        NestedDocument(12'000, 8), NestedDocument(12'000, 60), UnitsDocument(65'536)}) {
    const auto schema = ParseSchema(PmlSource("bench.xml", document));
    EXPECT_TRUE(schema.ok()) << schema.status().message();
  }
  EXPECT_EQ(TextDocument(1 << 20).size(), 1U << 20);
}

TEST(PmlWorkload, DepthChangesNoSize) {
  EXPECT_EQ(NestedDocument(480, 1).size(), NestedDocument(480, 8).size());
  EXPECT_EQ(NestedDocument(480, 1).size(), NestedDocument(480, 60).size());
}

TEST(PmlWorkload, PersonaIsOfTheSizeAndItsPromptFits) {
  const PersonaWorkload persona = MakePersona();
  EXPECT_GT(persona.schema.size(), 30'000U);
  EXPECT_LT(persona.schema.size(), 35'000U);
  const auto tokenizer = MakeToyTokenizer();
  const TextEncoder encoder(*tokenizer, **FindChatTemplate("none", ""));
  const PmlSource of_schema("persona.xml", persona.schema);
  Diagnostics diagnostics(of_schema);
  const auto layout = BuildLayout(*ParseSchema(of_schema), encoder, {}, diagnostics);
  ASSERT_TRUE(layout) << diagnostics.Render();
  const PmlSource source("prompt.xml", persona.prompt);
  const auto prompt = ParsePrompt(source);
  ASSERT_TRUE(prompt.ok()) << prompt.status().message();
  EXPECT_EQ(prompt->references.size(), 6U);
  EXPECT_EQ(prompt->references.back().arguments.size(), 2U);
  const auto plan = BuildPlan(*layout, encoder, source, *prompt, {.max_new_tokens = 1});
  EXPECT_TRUE(plan.ok()) << plan.status().message();
}

TEST(PmlWorkload, OtherDocumentsAreNoPersona) {
  EXPECT_THAT(PersonaOf("text").status().message(), HasSubstr("is no schema"));
  EXPECT_THAT(PersonaOf("<schema name='s'><module name='a'/></schema>").status().message(),
              HasSubstr("fewer than five modules"));
  EXPECT_THAT(ReadPersona("/nonexistent").status().message(), HasSubstr("no readable file"));
}

TEST(PmlBench, MeasuresEveryCase) {
  const auto tokenizer = MakeToyTokenizer();
  const TextEncoder encoder(*tokenizer, **FindChatTemplate("none", ""));
  std::vector<std::string> steps;
  const auto report = MeasurePml(MakePersona(), encoder, {.iterations = 1, .largest_mib = 1},
                                 [&](const std::string& line) { steps.push_back(line); });
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_THAT(steps, ElementsAre("persona", "text_1", "tags", "depth_1", "depth_8", "depth_60",
                                 "units_8192", "units_16384", "units_32768", "units_65536"));
  EXPECT_EQ(report->schema.samples.size(), 40U);
  EXPECT_EQ(report->prompt.samples.size(), 1000U);
  for (const DocumentTimes& one : report->documents) {
    EXPECT_EQ(one.parse.samples.size(), 1U) << one.name;
    EXPECT_EQ(one.layout.samples.size(), 1U) << one.name;
  }
}

}  // namespace
}  // namespace promptcache

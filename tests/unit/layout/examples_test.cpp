// The project's own example documents.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "coordinator/lint/lint.h"
#include "coordinator/pml/sources.h"
#include "tests/unit/layout/toy_compiler.h"

namespace promptcache::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsSupersetOf;

const fs::path kFolder = fs::path(PROMPTCACHE_PML_DIRECTORY) / "examples";

std::string ReadText(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

class Examples : public ::testing::Test {
 protected:
  // The schema with its files, warnings included in what is wrong.
  std::optional<Layout> Compile(const std::string& name) {
    const PmlSource source(name, ReadText(kFolder / name));
    Diagnostics diagnostics(source);
    auto document = ParseSchema(source, {}, diagnostics);
    std::optional<Layout> layout;
    if (document) {
      std::vector<SourceFile> files;
      for (const std::string& path : SourcePaths(*document)) {
        files.push_back({path, ReadText(kFolder / path)});
      }
      AttachSources(files, {}, *document, diagnostics);
      layout = BuildLayout(*document, compiler_.encoder(), {}, diagnostics);
      if (layout) Lint(*document, *layout, {}, diagnostics);
    }
    EXPECT_EQ(diagnostics.Render(), "");
    return layout;
  }

  // The units that a prompt reads, and its text as the schema sees it.
  std::vector<std::string> UnitsOf(const Layout& layout, const std::string& prompt) {
    const auto plan = compiler_.PlanOf(layout, ReadText(kFolder / "prompts" / prompt));
    EXPECT_TRUE(plan.ok()) << plan.status().message();
    std::vector<std::string> paths;
    if (!plan.ok()) return paths;
    for (const PlanUnit& unit : plan->units) paths.push_back(unit.path);
    return paths;
  }

  const ToyCompiler compiler_{"chatml"};
};

TEST_F(Examples, EverySchemaCompilesWithoutAWarningAndEveryPromptFitsItsSchema) {
  std::map<std::string, Layout> layouts;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".xml") continue;
    SCOPED_TRACE(entry.path());
    auto layout = Compile(entry.path().filename().string());
    ASSERT_TRUE(layout.has_value());
    layouts.emplace(layout->schema, *std::move(layout));
  }
  EXPECT_EQ(layouts.size(), 4U);
  std::map<std::string, int> prompts;
  for (const auto& entry : fs::directory_iterator(kFolder / "prompts")) {
    SCOPED_TRACE(entry.path());
    const auto document = ParsePrompt(PmlSource("prompt", ReadText(entry.path())));
    ASSERT_TRUE(document.ok()) << document.status().message();
    ++prompts[document->schema];
    EXPECT_FALSE(UnitsOf(layouts.at(document->schema), entry.path().filename().string()).empty());
  }
  EXPECT_EQ(prompts.size(), layouts.size());
}

TEST_F(Examples, TheCodeAssistantReadsFilesThatBelongTogetherAsASet) {
  const auto layout = Compile("code-assistant.xml");
  ASSERT_TRUE(layout.has_value());
  EXPECT_THAT(UnitsOf(*layout, "code-review-gate.xml"),
              ElementsAre("code-assistant", "code-assistant/style",
                          "code-assistant/{tide tide/text gate.py}", "code-assistant/task/review"));
  const auto style = layout->containers[layout->FindChild(0, "style")];
  EXPECT_EQ(layout->units[style.unit].lifetime,
            (Lifetime{.ttl_ms = 7 * 24 * 3'600'000ULL, .pinned = true}));
}

TEST_F(Examples, WhatHappenedTodayIsInNoUnit) {
  const auto layout = Compile("code-assistant.xml");
  ASSERT_TRUE(layout.has_value());
  EXPECT_EQ(layout->containers[layout->FindChild(0, "incident")].unit, kNone);
  EXPECT_THAT(
      UnitsOf(*layout, "code-incident.xml"),
      ElementsAre("code-assistant", "code-assistant/pump.py", "code-assistant/task/explain"));
}

TEST_F(Examples, APersonaIsOneMemberOfEachUnion) {
  const auto layout = Compile("personas.xml");
  ASSERT_TRUE(layout.has_value());
  EXPECT_THAT(
      UnitsOf(*layout, "personas-old-pilot.xml"),
      ElementsAre("personas", "personas/age/old", "personas/home/island", "personas/work/pilot",
                  "personas/mood/cheerful", "personas/language/ornate"));
}

TEST_F(Examples, TheTravelPlannersParameterIsFilledIn) {
  const auto layout = Compile("travel.xml");
  ASSERT_TRUE(layout.has_value());
  EXPECT_THAT(UnitsOf(*layout, "travel-ghent.xml"),
              IsSupersetOf({"travel/trip", "travel/ghent", "travel/budget"}));
  const auto plan = compiler_.PlanOf(*layout, ReadText(kFolder / "prompts/travel-ghent.xml"));
  ASSERT_TRUE(plan.ok());
  const LayoutParam& slot = layout->containers[layout->FindChild(0, "trip")].params.at(0);
  EXPECT_EQ(plan->new_tokens.positions[0], slot.start);
  EXPECT_EQ(plan->new_tokens.positions[1], slot.start + 1);
}

}  // namespace
}  // namespace promptcache::testing

// The commands for PML documents, as a person or a script uses them: no cluster, no model.
#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/integration/cluster_fixture.h"
#include "tests/unit/cachestore/temp_dir.h"
#include "tests/unit/layout/vectors.h"

namespace promptcache::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class PmlPrograms : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(directory_.path() / name, std::ios::binary) << text;
    return directory_.Sub(name);
  }
  static ProgramResult Run(const std::vector<std::string>& arguments) {
    return RunProgram("promptcache", arguments);
  }

  TempDir directory_;
};

// One of the plan's lists of tokens as Listed() writes it.
std::string TokensFrom(const json& plan, const std::string& source) {
  json pairs = json::array();
  for (const json& token : plan["tokens"]) {
    if (token["source"] == source) pairs.push_back({token["text"], token["position"]});
  }
  return Listed(pairs);
}

TEST_F(PmlPrograms, PlanPrintsEveryReferenceVector) {
  CheckVectors([&](const json& vector) -> std::string {
    const std::string schema = Write("schema.xml", vector["schema"]);
    const uint32_t max_tokens = vector.value("options", json::object()).value("max_tokens", 0U);
    std::vector<std::string> flags = {"--tokenizer",    "toy",          "--template",
                                      vector["format"], "--max-tokens", std::to_string(max_tokens),
                                      "--json"};
    if (vector["prompt"].is_null()) {
      flags.insert(flags.begin(), {"schema", "show", schema, "--stage", "layout"});
    } else {
      flags.insert(flags.begin(), {"plan", "--schema", schema, "--prompt",
                                   Write("prompt.xml", vector["prompt"]), "--max-new-tokens", "0"});
    }
    const ProgramResult result = Run(flags);
    const json out = json::parse(result.output);
    if (result.exit_code != 0) {
      const json& error = out["errors"][0];
      return "error: " +
             std::filesystem::path(error["file"].get<std::string>()).filename().string() + ":" +
             error["line"].dump() + ":" + error["column"].dump() +
             ": error: " + error["message"].get<std::string>();
    }
    const std::string length = "length " + out["length"].dump();
    if (vector["prompt"].is_null()) return length;
    flags.insert(flags.end(), {"--no-cache", "--contiguous"});
    const json baseline = json::parse(Run(flags).output);
    return length + "; cached " + TokensFrom(out, "cached") + "; new " + TokensFrom(out, "new") +
           "; baseline " + TokensFrom(baseline, "new");
  });
}

TEST_F(PmlPrograms, PlanNamesTheUnitOfEveryCachedToken) {
  const std::string schema =
      Write("s.xml", "<schema name='s'>r<module name='A' ttl='1h'>a1 a2</module></schema>");
  const std::string prompt = Write("p.xml", "<prompt schema='s'><A/>q</prompt>");
  const ProgramResult result =
      Run({"plan", "--tokenizer", "toy", "--schema", schema, "--prompt", prompt, "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.errors;
  const json plan = json::parse(result.output);
  EXPECT_EQ(plan["length"], 3);
  EXPECT_EQ(plan["next_position"], 4);
  ASSERT_EQ(plan["tokens"].size(), 4U);
  EXPECT_EQ(plan["tokens"][1]["unit"], "s/A");
  EXPECT_EQ(plan["tokens"][1]["source"], "cached");
  EXPECT_EQ(plan["tokens"][3]["unit"], nullptr);
  ASSERT_EQ(plan["units"].size(), 2U);
  const json& unit = plan["units"][1];
  EXPECT_EQ(unit["path"], "s/A");
  EXPECT_EQ(unit["start"], 1);
  EXPECT_EQ(unit["tokens"], 2);
  EXPECT_EQ(unit["context"], 1);
  EXPECT_EQ(unit["mode"], "anchored");
  EXPECT_EQ(unit["ttl_ms"], 3'600'000);
  EXPECT_EQ(unit["digest"].get<std::string>().size(), 64U);
  EXPECT_FALSE(unit.contains("key"));
}

TEST_F(PmlPrograms, ErrorsAreTextOrDataAndExitWithThree) {
  const std::string schema = Write("s.xml", "<schema name='s'>\n<modul name='A'/></schema>");
  const ProgramResult text = Run({"schema", "show", schema});
  EXPECT_EQ(text.exit_code, 3);
  EXPECT_THAT(text.errors, HasSubstr("s.xml:2:1: error: "));
  EXPECT_THAT(text.errors, HasSubstr("[PML0202]"));
  const ProgramResult data = Run({"schema", "show", schema, "--json"});
  EXPECT_EQ(data.exit_code, 3);
  const json error = json::parse(data.output)["errors"][0];
  EXPECT_EQ(error["id"], "PML0202");
  EXPECT_EQ(error["line"], 2);
  EXPECT_EQ(error["column"], 1);
  EXPECT_EQ(error["severity"], "error");
  EXPECT_EQ(error["snippet"], "<modul name='A'/></schema>");
}

TEST_F(PmlPrograms, ShowPrintsEveryStage) {
  const std::string schema = (ExampleDirectory() / "support-desk.xml").string();
  for (const char* stage : {"source", "markers", "tree", "layout", "units"}) {
    const ProgramResult data =
        Run({"schema", "show", schema, "--stage", stage, "--tokenizer", "toy", "--json"});
    EXPECT_EQ(data.exit_code, 0) << stage << data.errors;
    EXPECT_TRUE(json::accept(data.output)) << stage;
    const ProgramResult text =
        Run({"schema", "show", schema, "--stage", stage, "--tokenizer", "toy"});
    EXPECT_EQ(text.exit_code, 0) << stage;
    EXPECT_THAT(text.output, HasSubstr("support-desk")) << stage;
  }
}

TEST_F(PmlPrograms, FixWritesWhatLoadsAndShowsWhatItChanged) {
  const std::string text = "<schema name='s'>if (a < b && c)</schema>";
  const std::string file = Write("s.xml", text);
  const ProgramResult shown = Run({"schema", "fix", file});
  EXPECT_EQ(shown.exit_code, 0);
  EXPECT_EQ(shown.output, "<schema name='s'>if (a &lt; b &amp;&amp; c)</schema>");
  EXPECT_THAT(shown.errors, HasSubstr("3 characters changed"));
  EXPECT_EQ(ReadFile(file), text);
  EXPECT_EQ(Run({"schema", "fix", "--write", file}).exit_code, 0);
  EXPECT_EQ(ReadFile(file), shown.output);
  EXPECT_EQ(Run({"schema", "fix", "--write", file}).exit_code, 0);
  EXPECT_EQ(ReadFile(file), shown.output);
}

TEST_F(PmlPrograms, FixTellsPromptsAndSchemasApartByTheirRoot) {
  const std::string prompt =
      Write("p.xml", "<!-- of <schema> s --><prompt schema='s'>a <schema is text & so on</prompt>");
  const ProgramResult result = Run({"schema", "fix", prompt});
  EXPECT_EQ(result.exit_code, 0) << result.errors;
  EXPECT_THAT(result.output, HasSubstr("a &lt;schema is text &amp; so on"));
}

TEST_F(PmlPrograms, FixLeavesAFileThatItCannotFix) {
  const std::string text = "<schema name='s'>a & b<module/></schema>";
  const std::string file = Write("s.xml", text);
  const ProgramResult result = Run({"schema", "fix", "--write", file});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.errors, HasSubstr("PML0206"));
  EXPECT_EQ(ReadFile(file), text);
}

TEST_F(PmlPrograms, LintEndsWithOneUnderStrictWhenThereAreWarnings) {
  const std::string schema =
      Write("s.xml", "<schema name='s'>Be kind.<module name='A'>a</module></schema>");
  const std::vector<std::string> lint = {"schema", "lint", "--tokenizer", "toy", schema};
  const ProgramResult said = Run(lint);
  EXPECT_EQ(said.exit_code, 0);
  EXPECT_THAT(said.output, HasSubstr("warning: the module 's/A' has 1 tokens"));
  std::vector<std::string> strict = lint;
  strict.push_back("--strict");
  EXPECT_EQ(Run(strict).exit_code, 1);
  std::vector<std::string> data = lint;
  data.push_back("--json");
  const json files = json::parse(Run(data).output);
  EXPECT_EQ(files[0]["warnings"][0]["id"], "PML0701");
}

TEST_F(PmlPrograms, DiffSaysWhyUnitsChange) {
  const std::string before = Write(
      "a.xml", "<schema name='s'>r<module name='A'>a</module><module name='B'>b</module></schema>");
  const std::string after =
      Write("b.xml",
            "<schema name='s'>r<module name='A'>a x</module><module name='B'>b</module></schema>");
  const ProgramResult result =
      Run({"schema", "diff", before, after, "--tokenizer", "toy", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.errors;
  const json diff = json::parse(result.output);
  EXPECT_EQ(diff["units"][0]["change"], "kept");
  EXPECT_EQ(diff["units"][1]["change"], "changed");
  EXPECT_EQ(diff["units"][2]["change"], "moved");
  EXPECT_EQ(diff["encode_tokens"], 4);
}

TEST_F(PmlPrograms, HelpExplainsAMessageWithAnExample) {
  const ProgramResult one = Run({"schema", "help", "PML0218"});
  EXPECT_EQ(one.exit_code, 0);
  EXPECT_THAT(one.output, HasSubstr("[PML0218]"));
  EXPECT_THAT(one.output, HasSubstr("For example"));
  EXPECT_EQ(Run({"schema", "help", "PML9999"}).exit_code, 4);
  const json all = json::parse(Run({"schema", "help", "--json"}).output);
  EXPECT_GT(all.size(), 60U);
}

TEST_F(PmlPrograms, SourcesComeFromTheSchemasFolderOnly) {
  std::filesystem::create_directory(directory_.path() / "schema");
  Write("secret.txt", "secret");
  Write("schema/text.txt", "from a file");
  std::filesystem::create_symlink("text.txt", directory_.path() / "schema/inside.txt");
  std::filesystem::create_symlink("../secret.txt", directory_.path() / "schema/outside.txt");
  const auto show = [&](const std::string& path) {
    const std::string schema = Write("schema/s.xml", "<schema name='s' src='" + path + "'/>");
    return Run({"schema", "show", schema, "--json"});
  };
  for (const char* path : {"text.txt", "inside.txt"}) {
    const ProgramResult result = show(path);
    EXPECT_EQ(result.exit_code, 0) << result.output;
    EXPECT_THAT(result.output, HasSubstr("from a file"));
  }
  for (const char* path : {"outside.txt", "../secret.txt", "/etc/passwd", ".", "missing.txt"}) {
    const ProgramResult result = show(path);
    EXPECT_EQ(result.exit_code, 3) << path;
    EXPECT_THAT(result.output, HasSubstr("PML060")) << path;
    EXPECT_EQ(json::parse(result.output)["errors"][0]["column"], 18) << path;
  }
}

}  // namespace
}  // namespace promptcache::testing

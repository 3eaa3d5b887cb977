// Documents that others wrote: attacks on XML parsers, and the reference implementation's schemas.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "common/text/toy_tokenizer.h"
#include "coordinator/layout/layout.h"
#include "coordinator/pml/fix.h"
#include "coordinator/pml/prompt.h"
#include "coordinator/pml/schema.h"
#include "tests/fakes/test_env.h"

namespace promptcache {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> FilesBelow(const fs::path& directory, size_t wanted) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.path().extension() == ".xml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  EXPECT_EQ(files.size(), wanted) << directory;
  return files;
}

PmlSource Source(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return PmlSource(path.filename().string(), text.str());
}

TEST(AttackDocuments, AreRefusedWithTheirReason) {
  const auto data = testing::TestDataDir();
  PC_SKIP_WITHOUT(data, "test data");
  for (const fs::path& path : FilesBelow(*data / "data/attack/xml/defusedxml", 10)) {
    SCOPED_TRACE(path);
    const PmlSource source = Source(path);
    Diagnostics diagnostics(source);
    EXPECT_FALSE(ParseSchema(source, {}, diagnostics).has_value());
    ASSERT_FALSE(diagnostics.ok());
    const bool has_doctype = source.text().find("<!DOCTYPE") != std::string_view::npos;
    EXPECT_EQ(diagnostics.errors()[0].id == "PML0104", has_doctype) << diagnostics.Render();
  }
}

// "loads", or the first error's id and place. Schemas are laid out too.
std::string FateOf(const PmlSource& source) {
  Diagnostics diagnostics(source);
  if (source.text().find("<schema") == std::string_view::npos) {
    (void)ParsePrompt(source, kPromptLimits, diagnostics);
  } else if (const auto schema = ParseSchema(source, {}, diagnostics)) {
    const auto tokenizer = MakeToyTokenizer();
    const TextEncoder encoder(*tokenizer, **FindChatTemplate("none", ""));
    (void)BuildLayout(*schema, encoder, {}, diagnostics);
  }
  if (diagnostics.ok()) return "loads";
  const Diagnostic& first = diagnostics.errors()[0];
  return fmt::format("{} {}:{}", first.id, first.location.line, first.location.column);
}

// The reference implementation reads documents leniently; nine of its files are refused here, each
// for what the file shows: bare '<' and '&', an end tag too much, a module defined twice, a
// parameter without length, a union's scaffold that is no member of it.
TEST(ReferenceDocuments, LoadOrSayWhyNot) {
  const auto data = testing::TestDataDir();
  PC_SKIP_WITHOUT(data, "test data");
  std::map<std::string, std::string> refused;
  for (const fs::path& path : FilesBelow(*data / "data/pml/yale-prompt-cache", 36)) {
    const PmlSource source = Source(path);
    const std::string fate = FateOf(source);
    const FixedPml fixed = FixBareCharacters(source);
    const std::string after =
        fixed.fixes.empty()
            ? fate
            : fmt::format("{} after {} fixes", FateOf(PmlSource(source.file(), fixed.text)),
                          fixed.fixes.size());
    std::printf("  %-62s %-14s %s\n", path.stem().c_str(), fate.c_str(), after.c_str());
    if (fate != "loads") refused[path.stem().string()] = fate + "; " + after;
  }
  const std::map<std::string, std::string> expected = {
      {"benchmark__document_summary__schema_summary_sample.97930e26", "PML0215 5:16; PML0215 5:16"},
      {"benchmark__document_summary__schema_summary_sample.fa8e110f", "PML0113 7:9; PML0113 7:9"},
      {"benchmark__schema_mbti.6c092c20", "PML0209 37:9; PML0209 37:9"},
      {"benchmark__schema_mbti.acc8f311", "PML0209 42:13; PML0209 42:13"},
      {"benchmark__schema_qanda.19a45a8e", "PML0108 15:309; loads after 3 fixes"},
      {"benchmark__schema_qanda.4473d2e0", "PML0108 15:310; loads after 3 fixes"},
      {"examples__code_generation_game", "PML0107 167:19; loads after 5 fixes"},
      {"examples__code_generation_game.abef3cfb", "PML0107 42:18; loads after 4 fixes"},
      {"examples__parameterized_prompts.a8d03910", "PML0212 9:9; PML0212 9:9"},
  };
  EXPECT_EQ(refused, expected);
}

}  // namespace
}  // namespace promptcache

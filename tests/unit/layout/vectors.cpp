#include "tests/unit/layout/vectors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "tests/fakes/test_env.h"

namespace promptcache::testing {
namespace {

using nlohmann::json;

// What a vector gives here when that is not what the reference gives. `outcome` is as Outcome()
// writes it; for an error, a part of it.
struct Deviation {
  const char* reference;
  const char* outcome;
  const char* paragraph;  // of the language's description
};

const std::map<std::string, Deviation>& Deviations() {
  static const std::map<std::string, Deviation> kTable = {
      {"V09",
       {"both members at one position", "error: prompt.xml:1:24: error: 'A' and 'B' are", "4"}},
      {"V31",
       {"text between references is lost", "error: prompt.xml:1:24: error: the text behind", "4"}},
      {"V33", {"all text is lost", "error: prompt.xml:1:24: error: the text behind", "4"}},
      {"V41",
       {"comments in prompts fail",
        "length 5; cached r@0 a1@1 a2@2 t@4; new q@5; baseline r@0 a1@1 a2@2 t@3 q@4", "1"}},
      {"V42", {"comments in schemas fail", "length 1", "1"}},
      {"V49",
       {"the first of two members wins", "error: schema.xml:1:52: error: <module name='A'> in 's'",
        "2"}},
      {"V58",
       {"cache=\"false\" is ignored", "length 1; cached ; new a@0 q@1; baseline a@0 q@1", "2"}},
      {"V59",
       {"a text that fits is doubled",
        "length 3; cached a@0 b@1 c@2; new q@3; baseline a@0 b@1 c@2 q@3", "3"}},
      {"V62",
       {"the line break that ends the template is lost",
        "length 9; cached <|im_start|>system@0 S<|im_end|>@1 <|im_start|>user@2 U@3 a@4 "
        "<|im_end|>@5 <|im_start|>assistant@6 R<|im_end|>@7 _@8; new <|im_start|>user@9 "
        "Q<|im_end|>@10 <|im_start|>assistant@11 _@12; baseline <|im_start|>system@0 "
        "S<|im_end|>@1 <|im_start|>user@2 U@3 a@4 <|im_end|>@5 <|im_start|>assistant@6 "
        "R<|im_end|>@7 _@8 <|im_start|>user@9 Q<|im_end|>@10 <|im_start|>assistant@11 _@12",
        "5"}},
      {"V66", {"a bare < is dropped", "error: schema.xml:1:", "1"}},
      {"V67", {"a bare & is dropped", "error: schema.xml:1:", "1"}},
      {"V69",
       {"text in a union is dropped",
        "error: schema.xml:1:25: error: <union> in 's': text in a union", "2"}},
  };
  return kTable;
}

bool ExpectsError(const json& vector) {
  return vector.contains("schema_error") || vector.contains("prompt_error") ||
         vector.contains("process_error");
}

std::string Expected(const json& vector) {
  if (ExpectsError(vector)) return "error: ";
  const std::string length = "length " + std::to_string(vector.at("schema_length").get<int>());
  if (vector.at("prompt").is_null()) return length;
  return length + "; cached " + Listed(vector.at("cached")) + "; new " +
         Listed(vector.at("new_in_order")) + "; baseline " + Listed(vector.at("baseline"));
}

}  // namespace

// A JSON list of [word, position], by position.
std::string Listed(const json& pairs) {
  std::vector<std::pair<int, std::string>> sorted;
  for (const json& pair : pairs) sorted.emplace_back(pair.at(1), pair.at(0));
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string words;
  for (const auto& [position, word] : sorted) {
    words += (words.empty() ? "" : " ") + word + "@" + std::to_string(position);
  }
  return words;
}

void CheckVectors(const std::function<std::string(const json& vector)>& outcome) {
  const auto data = TestDataDir();
  PC_SKIP_WITHOUT(data, "PROMPTCACHE_TEST_DATA");
  const auto path = *data / "vectors" / "reference_vectors.json";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "missing: " << path;
  std::ifstream file(path);
  const json document = json::parse(file);
  size_t deviations = 0;
  for (const json& vector : document.at("vectors")) {
    const std::string id = vector.at("id");
    SCOPED_TRACE(id);
    const std::string here = outcome(vector);
    const auto deviation = Deviations().find(id);
    if (deviation != Deviations().end()) {
      EXPECT_THAT(here, ::testing::StartsWith(deviation->second.outcome))
          << "reference: " << deviation->second.reference << "; decided in section "
          << deviation->second.paragraph;
      std::printf("  %s  %-48s here: %.60s (section %s)\n", id.c_str(), deviation->second.reference,
                  here.c_str(), deviation->second.paragraph);
      ++deviations;
    } else if (ExpectsError(vector)) {
      EXPECT_THAT(here, ::testing::StartsWith("error: "));
    } else {
      EXPECT_EQ(here, Expected(vector));
    }
  }
  EXPECT_EQ(document.at("vectors").size(), 50U);
  EXPECT_EQ(deviations, Deviations().size());
}

}  // namespace promptcache::testing

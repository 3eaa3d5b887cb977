#include "tools/bench/serve_workload.h"

#include <fmt/format.h>

#include "common/rng.h"
#include "tools/bench/words.h"

namespace promptcache {
namespace {

constexpr uint32_t kQuestionWords = 12;
constexpr uint32_t kMostMore = 3;  // one more than references beyond the least

std::string Words(uint64_t seed, uint32_t count) {
  std::string text;
  for (uint32_t i = 0; i < count; ++i) text += (i > 0 ? " " : "") + BenchWord(seed, i);
  return text;
}

// One that imports modules, up to where its text begins.
std::string PromptOf(uint32_t schema, uint32_t first, uint32_t references) {
  std::string prompt = fmt::format("<prompt schema=\"bench-{}\">", schema);
  for (uint32_t m = first; m < first + references; ++m) prompt += fmt::format("<part{}/>", m);
  return prompt;
}

}  // namespace

ServeWorkload::ServeWorkload(const ServeWorkloadOptions& options)
    : options_(options), choice_(options.schemas, options.zipf) {}

std::vector<std::string> ServeWorkload::Schemas() const {
  std::vector<std::string> documents;
  for (uint32_t s = 0; s < options_.schemas; ++s) {
    std::string document = fmt::format("<schema name=\"bench-{}\">\n", s);
    for (uint32_t m = 0; m < kModules; ++m) {
      const uint64_t seed = options_.seed + uint64_t{s} * kModules + m;
      document +=
          fmt::format("  <module name=\"part{}\">{}</module>\n", m, Words(seed, options_.words));
    }
    documents.push_back(document + "</schema>\n");
  }
  return documents;
}

std::string ServeWorkload::Prompt(uint64_t index) const {
  const uint64_t seed = ~(options_.seed + index);  // others than those of the schemas
  const uint32_t schema = choice_.At(UniformAt(seed, 1, 0));
  const auto more = static_cast<uint32_t>(UniformAt(seed, 1, 1) * kMostMore);
  const uint32_t references = options_.references + more;
  const auto first = static_cast<uint32_t>(UniformAt(seed, 1, 2) * (kModules - references + 1));
  return PromptOf(schema, first, references) +
         fmt::format("Question {}: {}?</prompt>", index, Words(seed, kQuestionWords));
}

std::string ServeWorkload::WholePrompt(uint32_t schema) const {
  return PromptOf(schema, 0, kModules) + "What is it about?</prompt>";
}

}  // namespace promptcache

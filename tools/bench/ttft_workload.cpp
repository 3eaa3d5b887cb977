#include "tools/bench/ttft_workload.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "tools/bench/words.h"

namespace promptcache {
namespace {

std::string SchemaName(const char* kind, uint64_t seed) {
  return fmt::format("bench-{}-{}", kind, seed);
}

}  // namespace

Result<std::string> MakeText(const Tokenizer& tokenizer, uint32_t tokens, uint64_t seed) {
  // Words are about a token each, so adding what is missing or dropping what is too much converges
  // in a few rounds.
  std::vector<std::string> words;
  uint32_t drawn = 0;
  for (int round = 0; round < 64; ++round) {
    PC_ASSIGN_OR_RETURN(const auto ids, tokenizer.Encode(fmt::format("{}", fmt::join(words, " "))));
    if (ids.size() == tokens) return fmt::format("{}", fmt::join(words, " "));
    for (size_t count = ids.size(); count < tokens; ++count)
      words.push_back(BenchWord(seed, drawn++));
    for (size_t count = ids.size(); count > tokens && !words.empty(); --count) words.pop_back();
  }
  return InvalidArgument(
      fmt::format("this tokenizer does not split plain words into exactly {} tokens", tokens));
}

Result<Workload> MakeWorkload(const Tokenizer& tokenizer, const WorkloadShape& shape,
                              uint64_t seed) {
  if (shape.modules == 0 || shape.cached < shape.modules || shape.new_tokens == 0) {
    return InvalidArgument("a workload needs at least one module, a token in each and a new token");
  }
  Workload workload{.schema_name = SchemaName("ttft", seed)};
  std::string references;
  workload.schema = fmt::format("<schema name=\"{}\">", workload.schema_name);
  for (uint32_t m = 0; m < shape.modules; ++m) {
    const uint32_t tokens =
        shape.cached / shape.modules + (m < shape.cached % shape.modules ? 1 : 0);
    PC_ASSIGN_OR_RETURN(const std::string text, MakeText(tokenizer, tokens, seed * 1000 + m));
    workload.schema += fmt::format("<module name=\"m{}\">{}</module>", m, text);
    references += fmt::format("<m{}/>", m);
  }
  workload.schema += "</schema>";
  PC_ASSIGN_OR_RETURN(const std::string question,
                      MakeText(tokenizer, shape.new_tokens, seed * 1000 + 500));
  PC_ASSIGN_OR_RETURN(const std::string unrelated,
                      MakeText(tokenizer, shape.cached + shape.new_tokens, seed * 1000 + 600));
  workload.prompt = fmt::format("<prompt schema=\"{}\">{}{}</prompt>", workload.schema_name,
                                references, question);
  workload.control =
      fmt::format("<prompt schema=\"{}\">{}</prompt>", workload.schema_name, unrelated);
  return workload;
}

Result<Workload> MakeTinyUnitsWorkload(const Tokenizer& tokenizer, uint32_t modules,
                                       uint64_t seed) {
  Workload workload{.schema_name = SchemaName("tiny", seed)};
  std::string references;
  // Short words repeat from seed to seed; the text in front of them makes their context new.
  PC_ASSIGN_OR_RETURN(const std::string introduction, MakeText(tokenizer, 8, seed * 1000 + 501));
  workload.schema = fmt::format("<schema name=\"{}\" whitespace=\"reference\">{}\n",
                                workload.schema_name, introduction);
  for (uint32_t m = 0; m < modules; ++m) {
    workload.schema += fmt::format("  <module name=\"m{}\">{}</module>\n", m, BenchWord(seed, m));
    references += fmt::format("<m{}/>", m);
  }
  workload.schema += "</schema>";
  PC_ASSIGN_OR_RETURN(const std::string question, MakeText(tokenizer, 64, seed * 1000 + 500));
  workload.prompt = fmt::format("<prompt schema=\"{}\">{}{}</prompt>", workload.schema_name,
                                references, question);
  workload.control = workload.prompt;
  return workload;
}

}  // namespace promptcache

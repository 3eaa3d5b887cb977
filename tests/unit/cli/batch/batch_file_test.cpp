#include "tools/cli/batch/batch_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tools/cli/batch/batch_report.h"

namespace promptcache::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(BatchFile, LineSaysWhatItWantsAndTheRestIsAsUsual) {
  BatchItem usual{.timeout_ms = 600'000};
  usual.submit.options.max_new_tokens = 9;
  usual.submit.options.seed = 5;
  usual.submit.priority = 4;
  const auto batch = ParseBatchFile(
      "b.jsonl",
      "{\"prompt\": \"p\"}\n"
      " \r\n"
      "{\"name\": \"two\", \"prompt\": \"q\", \"model\": \"m\", \"max_new_tokens\": 3, "
      "\"temperature\": 0.5, \"seed\": 7, \"stop\": [\"a\", \"b\"], \"repair\": \"full\", "
      "\"samples\": 2, \"priority\": 255, \"deadline\": 1.5}\n"
      "{\"id\": \"three\", \"prompt\": \"r\", \"max_tokens\": 4, \"stop\": \"x\", "
      "\"no_cache\": true}",
      usual);
  ASSERT_TRUE(batch.ok()) << batch.status().ToString();
  ASSERT_THAT(batch->items, SizeIs(3));
  const BatchItem& first = batch->items[0];
  const BatchItem& second = batch->items[1];
  const BatchItem& third = batch->items[2];
  EXPECT_EQ(first.submit.prompt, "p");
  EXPECT_EQ(first.submit.options.max_new_tokens, 9u);
  EXPECT_EQ(first.submit.options.seed, 5u);
  EXPECT_EQ(first.submit.priority, 4);
  EXPECT_EQ(first.timeout_ms, 600'000u);
  EXPECT_EQ(second.name, "two");
  EXPECT_EQ(second.submit.model, "m");
  EXPECT_EQ(second.submit.options.max_new_tokens, 3u);
  EXPECT_EQ(second.submit.options.temperature, 0.5);
  EXPECT_EQ(second.submit.options.seed, 7u);
  EXPECT_EQ(second.submit.options.samples, 2u);
  EXPECT_EQ(second.submit.priority, 255);
  EXPECT_THAT(second.submit.options.stop_strings, ElementsAre("a", "b"));
  EXPECT_EQ(second.submit.repair, Repair::kFull);
  EXPECT_EQ(second.timeout_ms, 1'500u);
  EXPECT_EQ(third.name, "three");
  EXPECT_EQ(third.submit.options.max_new_tokens, 4u);
  EXPECT_THAT(third.submit.options.stop_strings, ElementsAre("x"));
  EXPECT_EQ(third.submit.reuse, ReuseMode::kFull);
}

TEST(BatchFile, MistakesAreNamedByFileAndLine) {
  const auto mistake = [](const std::string& line) {
    const auto batch = ParseBatchFile("b.jsonl", "{\"prompt\": \"p\"}\n" + line, {});
    EXPECT_EQ(batch.status().code(), Code::kInvalidArgument) << line;
    return batch.status().message();
  };
  EXPECT_THAT(mistake("{"), HasSubstr("b.jsonl:2: not a JSON object"));
  EXPECT_THAT(mistake("[]"), HasSubstr("not a JSON object"));
  EXPECT_THAT(mistake("{\"name\": \"x\"}"), HasSubstr("no \"prompt\""));
  EXPECT_THAT(mistake("{\"prompt\": 7}"), HasSubstr("\"prompt\": must be a text"));
  EXPECT_THAT(mistake("{\"promt\": \"p\"}"),
              HasSubstr("unknown field \"promt\"; did you mean \"prompt\"?; known are "));
  for (const char* number : {"-1", "1.5", "\"3\"", "4294967296"}) {
    EXPECT_THAT(mistake(R"({"prompt": "p", "max_new_tokens": )" + std::string(number) + "}"),
                HasSubstr("whole number from 0 to 4294967295"));
  }
  EXPECT_THAT(mistake(R"({"prompt": "p", "priority": 256})"),
              HasSubstr("\"priority\": must be a whole number from 0 to 255"));
  EXPECT_THAT(mistake(R"({"prompt": "p", "temperature": -2})"), HasSubstr("temperature"));
  EXPECT_THAT(mistake(R"({"prompt": "p", "repair": "some"})"), HasSubstr("none, linked or full"));
  EXPECT_THAT(mistake(R"({"prompt": "p", "contiguous": true})"), HasSubstr("needs \"no_cache\""));
  EXPECT_THAT(mistake(R"({"prompt": "p", "no_cache": true, "repair": "full"})"),
              HasSubstr("no meaning"));
  EXPECT_THAT(mistake(R"({"prompt": "p", "deadline": 0})"), HasSubstr("0.001"));
  EXPECT_THAT(ParseBatchFile("empty.jsonl", " \n", {}).status().message(),
              HasSubstr("empty.jsonl: there is no prompt"));
}

TEST(BatchReport, ResultIsOneLineWhateverItsText) {
  const BatchResult result{.item = 3,
                           .name = "n",
                           .final = {.code = Code::kBusy, .message = "full"},
                           .samples = {{{1, 2}, "a\n\xff"}}};
  const std::string line = BatchResultLine(result);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["item"], 3);
  EXPECT_EQ(json["status"], "busy");
  EXPECT_EQ(json["samples"][0]["tokens"], (std::vector<int>{1, 2}));
}

TEST(BatchReport, StateFollowsFromItemsAndCoordinator) {
  EXPECT_EQ(BatchState({.items = 2, .ended = 2}), "done");
  EXPECT_EQ(BatchState({.items = 2, .ended = 1, .coordinator = "c"}), "running");
  EXPECT_EQ(BatchState({.items = 2, .ended = 1}), "waiting");
  EXPECT_EQ(RenderBatches({}), "no batches\n");
  EXPECT_THAT(RenderBatches({{.items = 2, .ended = 1, .failed = 1}}), HasSubstr("waiting"));
}

}  // namespace
}  // namespace promptcache::testing

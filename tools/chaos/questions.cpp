#include "tools/chaos/questions.h"

#include <fmt/format.h>

#include "tests/chaos/dice.h"

namespace promptcache::chaos {
namespace {

constexpr uint32_t kSchemas = 8;
constexpr uint32_t kModules = 5;
constexpr uint32_t kQuestions = 48;
constexpr uint32_t kWordsOfAModule = 30;

std::string Words(uint64_t seed, uint32_t count) {
  constexpr const char* kWords[] = {"lamp",  "order", "return", "after", "within", "days",
                                    "price", "glass", "parcel", "never", "always", "customer"};
  Dice dice(seed);
  std::string text;
  for (uint32_t i = 0; i < count; ++i) {
    text += (text.empty() ? "" : " ") + std::string(kWords[dice.Below(std::size(kWords))]);
  }
  return text;
}

// Many texts begin like one of these, and wait until it is known that they do not go on like it;
// some do.
std::vector<std::string> Stops() {
  std::vector<std::string> stops;
  for (char first = 'a'; first <= 'z'; ++first) {
    for (char second = '1'; second <= '9'; ++second) stops.push_back({first, second});
  }
  return stops;
}

// Greedy and drawn, short and long, one answer and several, with and without stop strings.
GenerationOptions OptionsOf(uint32_t number, Dice& dice) {
  GenerationOptions options;
  options.max_new_tokens = static_cast<uint32_t>(4 + dice.Below(60));
  options.seed = number;
  if (number % 3 == 1) options.temperature = 0.8;
  if (number % 8 == 3) options.samples = 2;
  if (number % 3 == 2) options.stop_strings = Stops();
  return options;
}

}  // namespace

std::vector<SchemaAdd> Schemas() {
  std::vector<SchemaAdd> schemas;
  for (uint32_t s = 0; s < kSchemas; ++s) {
    std::string text = fmt::format("<schema name=\"desk{}\">{}", s, Words(s, 10));
    for (uint32_t m = 0; m < kModules; ++m) {
      text += fmt::format("<module name=\"m{}\">{}</module>", m,
                          Words(1'000 + s * kModules + m, kWordsOfAModule));
    }
    schemas.push_back({.file = fmt::format("desk{}.xml", s), .document = text + "</schema>"});
  }
  return schemas;
}

std::vector<Submit> Questions() {
  std::vector<Submit> questions;
  for (uint32_t q = 0; q < kQuestions; ++q) {
    Dice dice(10'000 + q);
    std::string prompt = fmt::format("<prompt schema=\"desk{}\">", q % kSchemas);
    for (uint32_t m = 0; m < kModules; ++m) {
      if (m == q % kModules || dice.OneIn(2)) prompt += fmt::format("<m{}/>", m);
    }
    Submit& question = questions.emplace_back();
    question.prompt = prompt + Words(20'000 + q, 6) + "</prompt>";
    question.options = OptionsOf(q, dice);
    question.priority = static_cast<uint8_t>(dice.Below(3));
  }
  return questions;
}

}  // namespace promptcache::chaos

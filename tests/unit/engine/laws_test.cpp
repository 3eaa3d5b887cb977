// The laws of exactness, for random plans and for each way in which models know positions.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <random>

#include "tests/fakes/test_env.h"
#include "tests/unit/engine/compiled_prompt.h"
#include "tests/unit/engine/random_pml.h"
#include "tests/unit/kv/recipes.h"

namespace promptcache::testing {
namespace {

// One of tests/golden/model/tiny; none: the tiny Llama that the other tests use.
struct LawModel {
  const char* name;
  const char* folder;
};
const LawModel kModels[] = {
    {"rope", ""},           {"alibi", "mpt"}, {"alibi_gqa", "mpt_gqa"}, {"parallel", "falcon_40b"},
    {"yarn", "llama_yarn"},
};

// What another order of the same sums may change, relative to the largest logit: worker/README.md
// states them.
constexpr double kFp32Bound = 1e-5;
constexpr double kBf16Bound = 5e-2;

constexpr RepairChoice kFull{Repair::kFull};
constexpr const char* kAttributes[] = {"", "positions=\"packed\"", "encoding=\"independent\"",
                                       "encoding=\"schema\"",
                                       "encoding=\"schema\" positions=\"packed\""};

class Laws : public PmlTest, public ::testing::WithParamInterface<LawModel> {
 protected:
  Laws() {
    load_ = [](ComputeDtype dtype) { return Load(dtype, 2); };
    loaded_ = load_(ComputeDtype::kFp32);
  }
  static LoadedModel Load(ComputeDtype dtype, int threads) {
    const std::string folder = GetParam().folder;
    const std::string path =
        folder.empty() ? TinyLlamaPath() : PROMPTCACHE_GOLDEN_DIR "/tiny/" + folder;
    return LoadModel(path, {.dtype = dtype, .device = TestDevice(), .threads = threads}).value();
  }

  Model& model() { return *loaded_.model; }
  int64_t vocabulary() { return model().shape().vocabulary; }
  std::vector<float> Logits(const CompiledPrompt& prompt) { return ModelLogits(model(), prompt); }
  CompiledPrompt Prompt(const RandomPml& pml, const RepairChoice& repair = {}) {
    return compiler_.Prompt(compiler_.Schema(pml.schema), pml.prompt, repair).Folded(vocabulary());
  }
  std::vector<TokenId> Ids(size_t count) {
    std::vector<TokenId> ids = RandomIds(count, *rc::gen::arbitrary<uint64_t>());
    for (TokenId& id : ids) id = static_cast<TokenId>(id % vocabulary());
    return ids;
  }
  // Everything at ascending positions with gaps here and there.
  Tokens Scattered(size_t count) {
    Tokens tokens;
    Position at = *rc::gen::inRange<Position>(0, 100);
    for (const TokenId id : Ids(count)) {
      tokens.Append(id, at);
      at += *rc::gen::weightedElement<Position>({{8, 1}, {1, 2}, {1, 40}});
    }
    return tokens;
  }
};

INSTANTIATE_TEST_SUITE_P(Model, Laws, ::testing::ValuesIn(kModels),
                         [](const auto& test) { return std::string(test.param.name); });

RandomPml AnyPml() {
  return MakeRandomPml(
      *rc::gen::arbitrary<uint64_t>(),
      *rc::gen::elementOf(std::vector<std::string>(std::begin(kAttributes), std::end(kAttributes))),
      OtherTexts::kAsLong);
}

std::string Text() {
  return *rc::gen::container<std::string>(*rc::gen::inRange<size_t>(0, 12),
                                          rc::gen::inRange('a', 'z'));
}

// The lowest run has seen text that the prompt does not import.
RandomPml BehindAbsentText() {
  return {.schema = "<schema name=\"s\" encoding=\"schema\"><module name=\"a\">" + Text() +
                    "</module><module name=\"b\">" + Text() + "</module>" + Text() + "</schema>",
          .prompt = "<b/>question"};
}

template <typename T>
void Shuffle(std::vector<T>& values) {
  std::mt19937_64 random(*rc::gen::arbitrary<uint64_t>());
  std::shuffle(values.begin(), values.end(), random);
}

// The plan with its units in another order.
CompiledPrompt WithUnitsShuffled(const CompiledPrompt& prompt) {
  std::vector<uint32_t> order(prompt.plan.units.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  Shuffle(order);
  CompiledPrompt shuffled{.plan = prompt.plan, .recipes = prompt.recipes};
  for (uint32_t from = 0; from < order.size(); ++from) {
    shuffled.plan.units[order[from]] = prompt.plan.units[from];
    shuffled.recipes[order[from]] = prompt.recipes[from];
  }
  for (PlanSegment& segment : shuffled.plan.segments) segment.unit = order[segment.unit];
  return shuffled;
}

TEST_P(Laws, TheOrderOfUnitsIsIrrelevant) {
  EXPECT_TRUE(rc::check([&] {
    const CompiledPrompt prompt = Prompt(AnyPml());
    RC_ASSERT(RelativeDifference(Logits(WithUnitsShuffled(prompt)), Logits(prompt)) <= kFp32Bound);
  }));
}

TEST_P(Laws, TheOrderOfSegmentsIsIrrelevant) {
  EXPECT_TRUE(rc::check([&] {
    const CompiledPrompt prompt = Prompt(AnyPml());
    PromptStep shuffled(model(), prompt);
    Shuffle(shuffled.ranges());
    SequenceStep step = shuffled.step();
    RC_ASSERT(RelativeDifference(Forward(model(), {&step, 1}).at(0), Logits(prompt)) <= kFp32Bound);
  }));
}

TEST_P(Laws, LinkedOfTheLongestRunIsFullPrefill) {
  EXPECT_TRUE(rc::check([&] {
    const RandomPml pml = *rc::gen::inRange(0, 4) == 0 ? BehindAbsentText() : AnyPml();
    const CompiledPrompt none = Prompt(pml);
    uint32_t longest = 1;
    for (const PlanSegment& segment : none.plan.segments) {
      longest = std::max(longest, segment.rows);
    }
    const uint32_t more = *rc::gen::element(0U, 1U, 1000U);
    // The answer's first token may follow the last of the longest run.
    const CompiledPrompt linked = Prompt(pml, {Repair::kLinked, longest + 1 + more});
    const CompiledPrompt full = Prompt(pml, kFull);
    RC_ASSERT(linked.plan.segments.size() <= 1U);
    RC_ASSERT(linked.tokens() == full.tokens());
    RC_ASSERT(RelativeDifference(Logits(linked), Logits(full)) <= kFp32Bound);
  }));
}

TEST_P(Laws, MoreLinkedTokensComputeMore) {
  EXPECT_TRUE(rc::check([&] {
    const RandomPml pml = AnyPml();
    uint32_t before = 0;
    for (const uint32_t k : {1U, 2U, 5U, 1000U}) {
      const Plan plan = Prompt(pml, {Repair::kLinked, k}).plan;
      RC_ASSERT(plan.Validate().ok());
      RC_ASSERT(plan.repaired_tokens >= before);
      before = plan.repaired_tokens;
    }
    RC_ASSERT(before <= Prompt(pml, kFull).plan.repaired_tokens);
  }));
}

TEST_P(Laws, OneUnitOfEverythingIsPrefill) {
  EXPECT_TRUE(rc::check([&] {
    const Tokens all = Scattered(*rc::gen::inRange<size_t>(2, 80));
    const Position origin = all.positions.front();
    CompiledPrompt plain{.plan = {.new_tokens = all}};
    Recipe recipe;
    CompiledPrompt reused;
    for (size_t i = 0; i + 1 < all.size(); ++i) {
      const Position at = all.positions[i];
      const bool joins = i > 0 && all.positions[i - 1] + 1 == at;
      if (!joins) {
        reused.plan.segments.push_back(
            {.first_row = static_cast<uint32_t>(i), .first_position = at, .shift = origin});
      }
      ++reused.plan.segments.back().rows;
      recipe.own.Append(all.ids[i], at - origin);
    }
    reused.plan.units.push_back({.digest = recipe.Digest(), .tokens = recipe.rows()});
    reused.plan.new_tokens.Append(all.ids.back(), all.positions.back());
    reused.plan.next_position = all.positions.back() + 1;
    reused.recipes.push_back(std::make_shared<const Recipe>(recipe));
    RC_ASSERT(reused.plan.Validate().ok());
    RC_ASSERT(RelativeDifference(Logits(reused), Logits(plain)) <= kFp32Bound);
  }));
}

// Modules in modules and side by side, all of them in one set.
struct SetOfAll {
  std::string inside, references, paths;

  void AddModules(const std::string& parent, int depth) {
    const int count = *rc::gen::inRange(depth == 0 ? 2 : 0, 4);
    for (int i = 0; i < count; ++i) {
      const std::string name = "m" + std::to_string(depth) + std::to_string(i);
      const std::string path = parent.empty() ? name : parent + "/" + name;
      paths += (paths.empty() ? "" : " ") + path;
      inside += "<module name=\"" + name + "\">" + Text();
      references += "<" + name + ">";
      if (depth < 2) AddModules(path, depth + 1);
      inside += Text() + "</module>" + Text();
      references += "</" + name + ">";
    }
  }
};

TEST_P(Laws, S085_ASetOfAllModulesIsPrefill) {
  EXPECT_TRUE(rc::check([&] {
    SetOfAll all;
    const std::string before = Text();
    all.AddModules("", 0);
    RC_PRE(all.inside.find_first_of('>') != std::string::npos);
    for (const char* attributes : {"", "positions=\"packed\"", "encoding=\"schema\""}) {
      const LayoutPtr layout =
          compiler_.Schema("<schema name=\"s\" " + std::string(attributes) + ">" + before +
                           all.inside + "<scaffold modules=\"" + all.paths + "\"/></schema>");
      const std::string prompt = all.references + "question";
      const auto logits = [&](const RepairChoice& repair) {
        return Logits(compiler_.Prompt(layout, prompt, repair).Folded(vocabulary()));
      };
      RC_ASSERT(RelativeDifference(logits({}), logits(kFull)) <= kFp32Bound);
    }
  }));
}

// Everything behind the new token `last` taken away.
CompiledPrompt Until(const CompiledPrompt& prompt, size_t last) {
  CompiledPrompt cut = prompt;
  Tokens& fresh = cut.plan.new_tokens;
  fresh.ids.resize(last + 1);
  fresh.positions.resize(last + 1);
  std::erase_if(cut.plan.segments, [&](const PlanSegment& segment) {
    return segment.first_position > fresh.positions.back();
  });
  return cut;
}

TEST_P(Laws, S037_ANewTokenSeesSmallerPositionsOnly) {
  EXPECT_TRUE(rc::check([&] {
    const CompiledPrompt prompt = Prompt(AnyPml());
    const auto size = prompt.plan.new_tokens.size();
    const auto last = *rc::gen::inRange<size_t>(0, size);
    PromptStep whole(model(), prompt);
    PromptStep cut(model(), Until(prompt, last));
    for (PromptStep* one : {&whole, &cut}) {
      SequenceStep step = one->step();
      (void)Forward(model(), {&step, 1});
    }
    const auto rows = static_cast<int64_t>(last) + 1;
    const auto states = [&](const PromptStep& one) {
      return one.own().tensor().narrow(3, 0, rows).contiguous();
    };
    const at::Tensor a = states(whole), b = states(cut);
    RC_ASSERT((a - b).abs().max().item<double>() <= kFp32Bound * b.abs().max().item<double>());
  }));
}

TEST_P(Laws, S092_AnyRequestGivesWhatAFreshEngineGives) {
  EXPECT_TRUE(rc::check([&] {
    SetOfAll all;
    all.AddModules("", 0);
    const LayoutPtr layout = compiler_.Schema("<schema name=\"s\">" + Text() + all.inside +
                                              "<scaffold modules=\"m00 m01\"/></schema>");
    const std::string prompts[] = {"<m00/>question", "<m00/><m01/>question", "<m01/>question"};
    const auto answer = [&](const std::string& prompt) {
      return Run(RequestFor(compiler_.Prompt(layout, prompt).Folded(vocabulary()), 8))->tokens();
    };
    std::vector<std::vector<TokenId>> fresh;
    for (const std::string& prompt : prompts) {
      Start();
      fresh.push_back(answer(prompt));
    }
    Start();
    for (const size_t i : {0, 1, 2, 1, 0}) RC_ASSERT(answer(prompts[i]) == fresh[i]);
  }));
}

// ---- what one step's company and threads change ----

double TopTwoMargin(std::vector<float> logits) {
  std::nth_element(logits.begin(), logits.begin() + 1, logits.end(), std::greater<>());
  return logits[0] - logits[1];
}

// Logits that differ by no more than the bound; the same greedy token unless two are as near.
void AssertNearlyEqual(const std::vector<float>& a, const std::vector<float>& b, double bound) {
  const auto greedy = [](const std::vector<float>& x) {
    return std::max_element(x.begin(), x.end()) - x.begin();
  };
  double largest = 0;
  for (const float value : b) largest = std::max(largest, std::abs(double{value}));
  RC_ASSERT(RelativeDifference(a, b) <= bound);
  if (TopTwoMargin(b) > 2 * bound * largest) RC_ASSERT(greedy(a) == greedy(b));
}

class Together : public Laws {
 protected:
  // Prompts one after the other by one model, and all in one step by another.
  void Check(ComputeDtype dtype, double bound) {
    const LoadedModel one = Load(dtype, 1);
    EXPECT_TRUE(rc::check([&] {
      const LoadedModel other = Load(dtype, *rc::gen::inRange(1, 5));
      const size_t count = *rc::gen::inRange<size_t>(1, 6);
      std::vector<CompiledPrompt> prompts;
      while (prompts.size() < count) prompts.push_back(Prompt(AnyPml()));
      std::vector<std::unique_ptr<PromptStep>> held;
      std::vector<SequenceStep> steps;
      for (const CompiledPrompt& prompt : prompts) {
        held.push_back(std::make_unique<PromptStep>(*one.model, prompt));
        steps.push_back(held.back()->step());
      }
      const auto together = Forward(*other.model, steps);
      for (size_t i = 0; i < count; ++i) {
        AssertNearlyEqual(together.at(i), ModelLogits(*one.model, prompts[i]), bound);
      }
    }));
  }
};

INSTANTIATE_TEST_SUITE_P(Model, Together, ::testing::ValuesIn(kModels),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(Together, CompanyAndThreadsChangeFp32ByNoMoreThanItsBound) {
  Check(ComputeDtype::kFp32, kFp32Bound);
}

TEST_P(Together, CompanyAndThreadsChangeBf16ByNoMoreThanItsBound) {
  Check(ComputeDtype::kBf16, kBf16Bound);
}

}  // namespace
}  // namespace promptcache::testing

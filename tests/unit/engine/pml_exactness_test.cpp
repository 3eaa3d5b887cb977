// What PML says about what a unit has seen and where it stands, judged by the logits: of the small
// model in fp32 against the same computed in double from masks written by hand.
#include <gmock/gmock.h>

#include "tests/unit/engine/compiled_prompt.h"

namespace promptcache::testing {
namespace {

class Exactness : public PmlTest {
 protected:
  static constexpr double kTolerance = 1e-5;

  Exactness() { loaded_ = LoadTinyLlama(); }

  std::vector<float> Logits(const std::string& schema, const std::string& prompt) {
    return ModelLogits(*loaded_.model, compiler_.Compile(schema, prompt));
  }
  void ExpectByHand(const std::string& schema, const std::string& prompt,
                    const std::vector<Piece>& pieces) {
    EXPECT_LE(RelativeDifference(Logits(schema, prompt), ReferenceLogits(llama_, pieces)),
              kTolerance)
        << schema << prompt;
  }
  // That of the prompt's tokens in one go, everything seeing all before it.
  double DifferenceFromPrefill(const CompiledPrompt& prompt) {
    return RelativeDifference(ModelLogits(*loaded_.model, prompt),
                              ReferenceLogits(llama_, prompt.tokens()));
  }
};

std::string WithAttributes(const std::string& attributes, const std::string& inside) {
  return "<schema name=\"s\" " + attributes + ">" + inside + "</schema>";
}

// ---- scaffold sets ----

constexpr const char* kThree =
    "rootroot<module name=\"A\">alphaalpha</module>between"
    "<module name=\"B\">betabeta<module name=\"C\">gamma</module>more</module>tail";
constexpr const char* kSetOfThree = "<scaffold modules=\"A B B/C\"/>";

TEST_F(Exactness, S84_AMissingMemberMeansTheIndividualUnits) {
  for (const char* prompt : {"<A/>question", "<B><C/></B>question", "<A/><B/>question"}) {
    const CompiledPrompt with_set =
        compiler_.Compile(WithAttributes("", kThree + std::string(kSetOfThree)), prompt);
    const CompiledPrompt without = compiler_.Compile(WithAttributes("", kThree), prompt);
    EXPECT_TRUE(with_set.plan == without.plan) << prompt;
    EXPECT_EQ(ModelLogits(*loaded_.model, with_set), ModelLogits(*loaded_.model, without));
  }
}

TEST_F(Exactness, S86_OneModuleBeforeTheTextIsOrdinaryPrefill) {
  const std::string document(300, 'd');
  const CompiledPrompt prompt = compiler_.Compile(
      WithAttributes("", "<module name=\"doc\">" + document + "</module>"), "<doc/>question");
  EXPECT_EQ(prompt.plan.cached_tokens(), 300u);
  EXPECT_LE(DifferenceFromPrefill(prompt), kTolerance);
}

// ---- encoding modes ----

constexpr const char* kTwo =
    "root<module name=\"A\">alpha</module><module name=\"B\">beta</module>tail";

TEST_F(Exactness, S79_IndependentModulesSeeThemselvesOnly) {
  ExpectByHand(WithAttributes("encoding=\"independent\"", kTwo), "<B/>question",
               {{'r', "root", 0, ""},
                {'B', "beta", 9, ""},
                {'t', "tail", 13, "r"},
                {'q', "question", 17, "rBt"}});
}

TEST_F(Exactness, AnchoredModulesSeeWhatEnclosesThem) {
  ExpectByHand(WithAttributes("", kTwo), "<B/>question",
               {{'r', "root", 0, ""},
                {'B', "beta", 9, "r"},
                {'t', "tail", 13, "r"},
                {'q', "question", 17, "rBt"}});
}

// ---- slots ----

constexpr const char* kSlot =
    "<module name=\"M\">before<param name=\"p\" length=\"6\" scaffold=\"hint\"/>after</module>";

TEST_F(Exactness, S26_AnEmptySlotLeavesNothingToAttendTo) {
  ExpectByHand(
      WithAttributes("", "<module name=\"M\">before<param name=\"p\" length=\"6\"/>after</module>"),
      "<M/>question",
      {{'b', "before", 0, ""}, {'a', "after", 12, "b"}, {'q', "question", 17, "ba"}});
}

// ---- order ----

TEST_F(Exactness, S91_TheOrderOfReferencesAndArgumentsChangesNothing) {
  const LayoutPtr layout = compiler_.Schema(
      WithAttributes("", kTwo + std::string("<module name=\"M\">m<param name=\"p\" length=\"2\"/>"
                                            "<param name=\"o\" length=\"2\"/></module>")));
  const auto logits = [&](const char* text) {
    return ModelLogits(*loaded_.model, compiler_.Prompt(layout, text));
  };
  const auto expected = logits("<A/><B/><M p=\"1\" o=\"2\"/>question");
  for (const char* text :
       {"<B/><A/><M p=\"1\" o=\"2\"/>question", "<M o=\"2\" p=\"1\"/><B/><A/>question"}) {
    EXPECT_EQ(logits(text), expected) << text;
  }
}

TEST_F(Exactness, S92_EachRequestAnswersAsInAFreshEngine) {
  const LayoutPtr layout =
      compiler_.Schema(WithAttributes("", kThree + std::string(kSetOfThree) + kSlot));
  const char* prompts[] = {"<A/>one",     "<A/><B/>two",     "<B/>two", "<A/><B><C/></B>one",
                           "<A/><B/>two", "<M p=\"q\"/>one", "<A/>one"};
  std::vector<std::vector<TokenId>> fresh;
  for (const char* prompt : prompts) {
    Start();
    fresh.push_back(Run(RequestFor(compiler_.Prompt(layout, prompt), 12))->tokens());
  }
  Start();
  for (size_t i = 0; i < fresh.size(); ++i) {
    EXPECT_EQ(Run(RequestFor(compiler_.Prompt(layout, prompts[i]), 12))->tokens(), fresh[i])
        << prompts[i];
  }
}

}  // namespace
}  // namespace promptcache::testing

// What PML says about what a unit has seen and where it stands, judged by the logits: of the small
// model in fp32 against the same computed in double from masks written by hand.
#include <gmock/gmock.h>

#include <map>

#include "tests/unit/engine/compiled_prompt.h"

namespace promptcache::testing {
namespace {

using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

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

const std::string kThree =
    "rootroot<module name=\"A\">alphaalpha</module>between"
    "<module name=\"B\">betabeta<module name=\"C\">gamma</module>more</module>tail";
const std::string kThreeAndSet = kThree + "<scaffold modules=\"A B B/C\"/>";

TEST_F(Exactness, S085_ASetOfAllModulesIsOrdinaryPrefill) {
  const std::string all = "<A/><B><C/></B>question";
  const CompiledPrompt with_set = compiler_.Compile(WithAttributes("", kThreeAndSet), all);
  EXPECT_LE(DifferenceFromPrefill(with_set), kTolerance);
  // Which the modules by themselves are not.
  EXPECT_GT(DifferenceFromPrefill(compiler_.Compile(WithAttributes("", kThree), all)), 0.01);
  Start();
  EXPECT_EQ(Run(RequestFor(with_set, 16))->tokens(),
            ReferenceGreedy(llama_, with_set.tokens(), with_set.plan.next_position, 16));
}

TEST_F(Exactness, S084_AMissingMemberMeansTheIndividualUnits) {
  for (const char* prompt : {"<A/>question", "<B><C/></B>question", "<A/><B/>question"}) {
    const CompiledPrompt with_set = compiler_.Compile(WithAttributes("", kThreeAndSet), prompt);
    const CompiledPrompt without = compiler_.Compile(WithAttributes("", kThree), prompt);
    EXPECT_TRUE(with_set.plan == without.plan) << prompt;
    EXPECT_EQ(ModelLogits(*loaded_.model, with_set), ModelLogits(*loaded_.model, without));
  }
}

TEST_F(Exactness, S084_TheSetReplacesTheRowsOfItsMembers) {
  const CompiledPrompt prompt =
      compiler_.Compile(WithAttributes("", kThreeAndSet), "<A/><B><C/></B>question");
  // The root's first run comes from its own unit, all else from the set's.
  EXPECT_THAT(prompt.plan.units, SizeIs(2));
  EXPECT_EQ(prompt.plan.cached_tokens(),
            std::string("rootrootalphaalphabetweenbetabetagammamoretail").size());
}

TEST_F(Exactness, S086_OneModuleBeforeTheTextIsOrdinaryPrefill) {
  const std::string document(300, 'd');
  const CompiledPrompt prompt = compiler_.Compile(
      WithAttributes("", "<module name=\"doc\">" + document + "</module>"), "<doc/>question");
  EXPECT_EQ(prompt.plan.cached_tokens(), 300u);
  EXPECT_LE(DifferenceFromPrefill(prompt), kTolerance);
}

// ---- encoding modes ----

constexpr const char* kTwo =
    "root<module name=\"A\">alpha</module><module name=\"B\">beta</module>tail";

TEST_F(Exactness, S079_IndependentModulesSeeThemselvesOnly) {
  ExpectByHand(WithAttributes("encoding=\"independent\"", kTwo), "<B/>question",
               {{'r', "root", 0, ""},
                {'B', "beta", 9, ""},
                {'t', "tail", 13, "r"},
                {'q', "question", 17, "rBt"}});
}

TEST_F(Exactness, S079_SchemaEncodingSeesAllThatPrecedesImportedOrNot) {
  ExpectByHand(WithAttributes("encoding=\"schema\"", kTwo), "<B/>question",
               {{'r', "root", 0, ""},
                {'A', "alpha", 4, "r"},
                {'B', "beta", 9, "rA"},
                {'t', "tail", 13, "rAB"},
                {'q', "question", 17, "rBt"}});
}

TEST_F(Exactness, AnchoredModulesSeeWhatEnclosesThem) {
  ExpectByHand(WithAttributes("", kTwo), "<B/>question",
               {{'r', "root", 0, ""},
                {'B', "beta", 9, "r"},
                {'t', "tail", 13, "r"},
                {'q', "question", 17, "rBt"}});
}

constexpr const char* kUnion =
    "root<union scaffold=\"A\"><module name=\"A\">alpha</module>"
    "<module name=\"B\">be</module></union>tail";

TEST_F(Exactness, S083_TextAfterAUnionHasSeenTheDefaultMember) {
  const std::string schema = WithAttributes("encoding=\"schema\"", kUnion);
  ExpectByHand(schema, "<B/>question",
               {{'r', "root", 0, ""},
                {'A', "alpha", 4, "r"},
                {'t', "tail", 9, "rA"},
                {'B', "be", 4, "r"},
                {'q', "question", 13, "rBt"}});
  ExpectByHand(schema, "<A/>question",
               {{'r', "root", 0, ""},
                {'A', "alpha", 4, "r"},
                {'t', "tail", 9, "rA"},
                {'q', "question", 13, "rAt"}});
}

// ---- slots ----

constexpr const char* kSlot =
    "<module name=\"M\">before<param name=\"p\" length=\"6\" scaffold=\"hint\"/>after</module>";

TEST_F(Exactness, S026_AnEmptySlotLeavesNothingToAttendTo) {
  ExpectByHand(
      WithAttributes("", "<module name=\"M\">before<param name=\"p\" length=\"6\"/>after</module>"),
      "<M/>question",
      {{'b', "before", 0, ""}, {'a', "after", 12, "b"}, {'q', "question", 17, "ba"}});
}

TEST_F(Exactness, S026_ScaffoldTextIsSeenWhileEncodingAndByNoRequest) {
  for (const char* encoding : {"anchored", "independent"}) {
    ExpectByHand(WithAttributes("encoding=\"" + std::string(encoding) + "\"", kSlot),
                 "<M/>question",
                 {{'b', "before", 0, ""},
                  {'h', "hint", 6, "b"},
                  {'a', "after", 12, "bh"},
                  {'q', "question", 17, "ba"}});
  }
}

TEST_F(Exactness, S035_CachedTextNeverSeesArguments) {
  ExpectByHand(WithAttributes("", kSlot), "<M p=\"xyz\"/>question",
               {{'b', "before", 0, ""},
                {'h', "hint", 6, "b"},
                {'a', "after", 12, "bh"},
                {'x', "xyz", 6, "b"},
                {'q', "question", 17, "bxa"}});
}

// ---- packed ----

TEST_F(Exactness, PackedPlansEqualTheReferenceWhereTheirTokensStand) {
  const std::string schema =
      WithAttributes("positions=\"packed\"", kThree + std::string(kSlot) +
                                                 "<union><module name=\"X\">xx</module>"
                                                 "<module name=\"Y\">yyyyyyyy</module></union>end");
  const LayoutPtr layout = compiler_.Schema(schema);
  for (const char* text : {"question", "<B/>question", "<A/>and<M p=\"xyz\"/>question",
                           "<M/><Y/>question", "<X/><B><C/></B>question"}) {
    const CompiledPrompt prompt = compiler_.Prompt(layout, text);
    EXPECT_LE(
        RelativeDifference(ModelLogits(*loaded_.model, prompt), ReferenceLogits(llama_, prompt)),
        kTolerance)
        << text;
    const Tokens tokens = prompt.tokens();
    for (size_t i = 0; i < tokens.size(); ++i) {
      ASSERT_EQ(tokens.positions[i], static_cast<Position>(i)) << text;
    }
    EXPECT_EQ(prompt.plan.next_position, static_cast<Position>(tokens.size())) << text;
  }
}

// ---- order ----

TEST_F(Exactness, S091_TheOrderOfReferencesAndArgumentsChangesNothing) {
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

TEST_F(Exactness, S092_EachRequestAnswersAsInAFreshEngine) {
  const LayoutPtr layout = compiler_.Schema(WithAttributes("", kThreeAndSet + kSlot));
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

// ---- lifetimes ----

TEST_F(Exactness, TtlOfTheSchemaIsThatOfItsUnitsInTheWorker) {
  const CompiledPrompt prompt =
      compiler_.Compile(WithAttributes("ttl=\"1h\"",
                                       "root<module name=\"A\" ttl=\"1d\">alpha</module>"
                                       "<module name=\"B\">beta</module>"),
                        "<A/><B/>question");
  Start();
  (void)Run(RequestFor(prompt, 1));
  clock_.Advance(std::chrono::hours(2));
  const auto answer = Run(RequestFor(prompt, 1));
  std::map<std::string, Source> sources;
  for (const UnitUsage& unit : answer->usage().units) sources[unit.path] = unit.source;
  EXPECT_THAT(sources,
              UnorderedElementsAre(Pair("s", Source::kEncoded), Pair("s/A", Source::kDevice),
                                   Pair("s/B", Source::kEncoded)));
}

TEST_F(Exactness, PinnedUnitsStayInTheWorker) {
  const LayoutPtr layout = compiler_.Schema(WithAttributes(
      "", "<module name=\"A\" pin=\"true\">alpha</module><module name=\"B\">beta</module>"));
  options_.unit_cache_bytes = 2 * 5 * 2 * 3 * 2 * 16 * 4;  // twice A
  Start();
  (void)Run(RequestFor(compiler_.Prompt(layout, "<A/>q"), 1));
  (void)Run(RequestFor(compiler_.Prompt(layout, "<B/>q"), 1));
  const LayoutPtr other = compiler_.Schema("<schema name=\"o\">other</schema>");
  (void)Run(RequestFor(compiler_.Prompt(other, "q"), 1));
  const auto answer = Run(RequestFor(compiler_.Prompt(layout, "<A/>q"), 1));
  EXPECT_EQ(answer->usage().units.at(0).source, Source::kDevice);
}

}  // namespace
}  // namespace promptcache::testing

// What the encoding modes, scaffold sets and slots mean for a worker: recipes and plans written by
// hand, judged by the same computation in double with masks written by hand.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/engine/compiled_prompt.h"

namespace promptcache::testing {
namespace {

// A text of a recipe, where the schema has it.
struct Part {
  enum Kind { kContext, kRows, kHidden };
  Kind kind;
  std::string text;
  Position at;
  bool imported = true;  // of rows
};
struct HandUnit {
  EncodingMode mode;
  std::vector<Part> parts;  // ascending
};
struct NewText {
  std::string text;
  Position at;
};

void Append(const std::string& text, Position at, Tokens& tokens) {
  for (const char c : text) tokens.Append(static_cast<uint8_t>(c), at++);
}

class PromptByHand {
 public:
  CompiledPrompt Make(const std::vector<HandUnit>& units, const std::vector<NewText>& texts) {
    for (const HandUnit& unit : units) AddUnit(unit);
    for (const NewText& text : texts) Append(text.text, text.at, prompt_.plan.new_tokens);
    std::sort(prompt_.plan.segments.begin(), prompt_.plan.segments.end(),
              [](const PlanSegment& a, const PlanSegment& b) {
                return a.first_position < b.first_position;
              });
    prompt_.plan.next_position = prompt_.plan.new_tokens.positions.back() + 1;
    EXPECT_TRUE(prompt_.plan.Validate().ok());
    return prompt_;
  }

 private:
  void AddUnit(const HandUnit& unit) {
    Position origin = 0;
    for (const Part& part : unit.parts) {
      if (part.kind == Part::kRows) {
        origin = part.at;
        break;
      }
    }
    Recipe recipe{.mode = unit.mode};
    uint32_t rows = 0;
    for (const Part& part : unit.parts) {
      const auto count = static_cast<uint32_t>(part.text.size());
      if (part.kind == Part::kContext) {
        Append(part.text, part.at - origin, recipe.context);
        continue;
      }
      if (part.kind == Part::kHidden) {
        recipe.hidden.push_back({static_cast<uint32_t>(recipe.own.size()), count});
      } else {
        if (part.imported) AddSegment({rows, count}, part.at, origin);
        rows += count;
      }
      Append(part.text, part.at - origin, recipe.own);
    }
    EXPECT_TRUE(recipe.Validate().ok()) << recipe.Validate().ToString();
    prompt_.plan.units.push_back({recipe.Digest(), "s", rows});
    prompt_.recipes.push_back(std::make_shared<const Recipe>(std::move(recipe)));
  }

  void AddSegment(RowRange rows, Position at, Position origin) {
    prompt_.plan.segments.push_back({.unit = static_cast<uint32_t>(prompt_.plan.units.size()),
                                     .first_row = rows.first,
                                     .rows = rows.rows,
                                     .first_position = at,
                                     .shift = origin});
  }

  CompiledPrompt prompt_;
};

class EncodingExactness : public PmlTest {
 protected:
  EncodingExactness() { loaded_ = LoadTinyLlama(); }

  void Expect(const std::vector<HandUnit>& units, const std::vector<NewText>& texts,
              const std::vector<Piece>& pieces) {
    const CompiledPrompt prompt = PromptByHand().Make(units, texts);
    EXPECT_LE(RelativeDifference(ModelLogits(*loaded_.model, prompt),
                                 ReferenceLogits(llama_, pieces)),
              1e-5);
  }
};

// r<A>alpha</A><B>beta</B>t with a set of A and B.
TEST_F(EncodingExactness, S85_ASetOfAllModulesIsOrdinaryPrefill) {
  const HandUnit root{EncodingMode::kAnchored,
                      {{Part::kRows, "root", 0}, {Part::kRows, "tail", 13, false}}};
  const HandUnit set{EncodingMode::kScaffoldSet,
                     {{Part::kContext, "root", 0}, {Part::kRows, "alphabetatail", 4}}};
  const CompiledPrompt prompt = PromptByHand().Make({root, set}, {{"question", 17}});
  EXPECT_LE(RelativeDifference(ModelLogits(*loaded_.model, prompt),
                               ReferenceLogits(llama_, prompt.tokens())),
            1e-5);
  EngineRequest request = RequestFor(prompt, 12);
  Start();
  EXPECT_EQ(Run(std::move(request))->tokens(),
            ReferenceGreedy(llama_, prompt.tokens(), prompt.plan.next_position, 12));
}

// The same schema in `schema` encoding, of which B is imported.
TEST_F(EncodingExactness, S79_SchemaEncodingSeesAllThatPrecedesImportedOrNot) {
  const HandUnit root{EncodingMode::kSchema,
                      {{Part::kRows, "root", 0},
                       {Part::kHidden, "alphabeta", 4},
                       {Part::kRows, "tail", 13}}};
  const HandUnit b{EncodingMode::kSchema,
                   {{Part::kContext, "rootalpha", 0}, {Part::kRows, "beta", 9}}};
  Expect({root, b}, {{"question", 17}},
         {{'r', "root", 0, ""},
          {'A', "alpha", 4, "r"},
          {'B', "beta", 9, "rA"},
          {'t', "tail", 13, "rAB"},
          {'q', "question", 17, "rBt"}});
}

// r<union scaffold="A"><A>alpha</A><B>be</B></union>t
TEST_F(EncodingExactness, S83_TextAfterAUnionHasSeenTheDefaultMember) {
  const HandUnit root{EncodingMode::kSchema,
                      {{Part::kRows, "root", 0},
                       {Part::kHidden, "alpha", 4},
                       {Part::kRows, "tail", 9}}};
  const HandUnit b{EncodingMode::kSchema, {{Part::kContext, "root", 0}, {Part::kRows, "be", 4}}};
  Expect({root, b}, {{"question", 13}},
         {{'r', "root", 0, ""},
          {'A', "alpha", 4, "r"},
          {'t', "tail", 9, "rA"},
          {'B', "be", 4, "r"},
          {'q', "question", 13, "rBt"}});
}

// <M>before<param length="6" scaffold="hint"/>after</M>
const HandUnit kSlot{EncodingMode::kAnchored,
                     {{Part::kRows, "before", 0},
                      {Part::kHidden, "hint", 6},
                      {Part::kRows, "after", 12}}};

TEST_F(EncodingExactness, S26_ScaffoldTextIsSeenWhileEncodingAndByNoRequest) {
  Expect({kSlot}, {{"question", 17}},
         {{'b', "before", 0, ""},
          {'h', "hint", 6, "b"},
          {'a', "after", 12, "bh"},
          {'q', "question", 17, "ba"}});
}

TEST_F(EncodingExactness, S35_CachedTextNeverSeesArguments) {
  Expect({kSlot}, {{"xyz", 6}, {"question", 17}},
         {{'b', "before", 0, ""},
          {'h', "hint", 6, "b"},
          {'a', "after", 12, "bh"},
          {'x', "xyz", 6, "b"},
          {'q', "question", 17, "bxa"}});
}

}  // namespace
}  // namespace promptcache::testing

// What must not show: text of modules that a prompt does not import, and text that is not to be
// stored.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <map>

#include "cachestore/format/blob.h"
#include "cachestore/memory/memory_store.h"
#include "tests/unit/engine/compiled_prompt.h"
#include "tests/unit/engine/random_pml.h"

namespace promptcache::testing {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using Bytes = std::vector<uint8_t>;

Bytes ReadAll(BlobStore& store, const UnitKey& key) {
  const auto reader = store.Open(key);
  EXPECT_TRUE(reader.ok()) << reader.status().ToString();
  if (!reader.ok()) return {};
  Bytes bytes((*reader)->size());
  EXPECT_TRUE((*reader)->Read(0, bytes).ok());
  return bytes;
}

struct Stored {
  BlobHeader header;  // without how long encoding took, and what follows from that
  Bytes layers;
  bool operator==(const Stored&) const = default;
};

Stored Parse(const Bytes& blob) {
  auto header = VerifyBlob(blob);
  EXPECT_TRUE(header.ok()) << header.status().ToString();
  if (!header.ok()) return {};
  header->encode_seconds = 0;
  return {*header, Bytes(blob.begin() + static_cast<ptrdiff_t>(header->data_offset), blob.end())};
}

// All that can be seen of a prompt's run.
struct Traces {
  Plan plan;
  std::vector<TokenId> answer;
  std::vector<float> logits;
  std::vector<UnitPtr> units;
  std::map<UnitKey, Stored> stored;
};

class Isolation : public PmlTest {
 protected:
  Isolation() { loaded_ = LoadTinyLlama(); }

  // Runs the prompt and waits until everything is stored.
  std::shared_ptr<Answer> RunWith(BlobStore& store, const CompiledPrompt& prompt) {
    Start(&store);
    auto answer = Run(RequestFor(prompt, 8));
    EXPECT_TRUE(answer->status().ok()) << answer->status().ToString();
    engine_ = nullptr;
    return answer;
  }

  Traces TracesOf(const std::string& schema, const std::string& text) {
    const CompiledPrompt prompt = compiler_.Compile(schema, text);
    MemoryBlobStore store;
    Traces traces{.plan = prompt.plan, .answer = RunWith(store, prompt)->tokens()};
    const auto blobs = ListAll(store);
    for (const BlobInfo& info : *blobs) traces.stored[info.key] = Parse(ReadAll(store, info.key));
    traces.units = EncodeUnits(*loaded_.model, prompt);
    traces.logits = ModelLogits(*loaded_.model, prompt);
    return traces;
  }

  static void ExpectSame(const Traces& one, const Traces& other) {
    EXPECT_TRUE(one.plan == other.plan);
    EXPECT_EQ(one.answer, other.answer);
    EXPECT_EQ(one.logits, other.logits);
    ASSERT_EQ(one.units.size(), other.units.size());
    for (size_t i = 0; i < one.units.size(); ++i) {
      EXPECT_TRUE(at::equal(one.units[i]->kv, other.units[i]->kv)) << i;
    }
    EXPECT_TRUE(one.stored == other.stored);
  }
};

struct LeakCase {
  const char* name;
  const char* attributes;
  OtherTexts texts;
};

void PrintTo(const LeakCase& test, std::ostream* out) { *out << test.name; }

class Leaks : public Isolation, public ::testing::WithParamInterface<LeakCase> {};

INSTANTIATE_TEST_SUITE_P(
    Encoding, Leaks,
    ::testing::Values(LeakCase{"anchored", "encoding=\"anchored\"", OtherTexts::kAsLong},
                      LeakCase{"independent", "encoding=\"independent\"", OtherTexts::kAsLong},
                      LeakCase{"anchored_packed", "encoding=\"anchored\" positions=\"packed\"",
                               OtherTexts::kOfAnyLength},
                      LeakCase{"independent_packed",
                               "encoding=\"independent\" positions=\"packed\"",
                               OtherTexts::kOfAnyLength}),
    [](const auto& test) { return test.param.name; });

TEST_P(Leaks, S087_TextOfModulesThatAreNotImportedChangesNothing) {
  int changed = 0;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    SCOPED_TRACE(seed);
    const RandomPml pml = MakeRandomPml(seed, GetParam().attributes, GetParam().texts);
    if (pml.schema == pml.other) continue;  // all is imported
    ++changed;
    ExpectSame(TracesOf(pml.schema, pml.prompt), TracesOf(pml.other, pml.prompt));
  }
  EXPECT_GE(changed, 6);
}

// So the test above would see a leak.
TEST_F(Isolation, SchemaEncodingShowsTextThatIsNotImported) {
  const auto schema = [](const std::string& text) {
    return "<schema name=\"s\" encoding=\"schema\">root<module name=\"A\">" + text +
           "</module><module name=\"B\">beta</module></schema>";
  };
  const Traces one = TracesOf(schema("alpha"), "<B/>question");
  const Traces other = TracesOf(schema("gamma"), "<B/>question");
  EXPECT_FALSE(one.plan == other.plan);
  EXPECT_NE(one.logits, other.logits);
  EXPECT_FALSE(one.stored == other.stored);
}

// ---- cache="false" ----

constexpr const char* kSecrets =
    "<schema name=\"s\">root<module name=\"A\" cache=\"false\">secret"
    "<module name=\"I\">hidden</module></module><module name=\"B\">beta</module>tail</schema>";

bool ContainsText(const Bytes& bytes, const std::string& text) {
  Bytes ids;
  for (const char c : text) ids.insert(ids.end(), {static_cast<uint8_t>(c), 0, 0, 0});
  return std::search(bytes.begin(), bytes.end(), ids.begin(), ids.end()) != bytes.end();
}

TEST_F(Isolation, S088_UncachedModulesAreStoredNowhere) {
  const CompiledPrompt prompt = compiler_.Compile(kSecrets, "<A><I/></A><B/>question");
  EXPECT_EQ(std::string(prompt.plan.new_tokens.ids.begin(), prompt.plan.new_tokens.ids.end()),
            "secrethiddenquestion");
  EXPECT_EQ(prompt.plan.new_tokens.positions.front(), 4);
  std::vector<UnitKey> in_memory;
  on_residency_ = [&](const UnitChanges& changes) {
    in_memory.insert(in_memory.end(), changes.added.begin(), changes.added.end());
  };
  MemoryBlobStore store;
  (void)RunWith(store, prompt);
  EXPECT_THAT(in_memory, SizeIs(2));  // of the root and of B
  const auto blobs = ListAll(store);
  ASSERT_THAT(*blobs, SizeIs(2));
  bool saw_text = false;
  for (const BlobInfo& info : *blobs) {
    const Bytes bytes = ReadAll(store, info.key);
    EXPECT_FALSE(ContainsText(bytes, "secret"));
    EXPECT_FALSE(ContainsText(bytes, "hidden"));
    saw_text = saw_text || ContainsText(bytes, "beta");
  }
  EXPECT_TRUE(saw_text);  // so what is looked for would be found
}

TEST_F(Isolation, S088_PromptOfUncachedModulesOnlyStoresNothing) {
  const CompiledPrompt prompt = compiler_.Compile(
      "<schema name=\"s\"><module name=\"A\" cache=\"false\">secret</module></schema>", "<A/>q");
  EXPECT_THAT(prompt.plan.units, IsEmpty());
  MemoryBlobStore store;
  (void)RunWith(store, prompt);
  EXPECT_EQ(store.Stats()->puts, 0u);
}

TEST_F(Isolation, S088_UncachedModulesAreComputedAtTheirPositions) {
  const CompiledPrompt prompt = compiler_.Compile(kSecrets, "<A><I/></A><B/>question");
  EXPECT_LE(
      RelativeDifference(ModelLogits(*loaded_.model, prompt), ReferenceLogits(llama_, prompt)),
      1e-5);
}

}  // namespace
}  // namespace promptcache::testing

// Headers damaged at random and headers made to cost memory: an error or a file that can be read,
// and never more memory than twice the file's size.
#include <gtest/gtest.h>

#include "common/formats/gguf.h"
#include "common/formats/safetensors.h"
#include "tests/fakes/counted_memory.h"
#include "tests/unit/formats/gguf_builder.h"
#include "tests/unit/formats/mutate.h"
#include "tests/unit/formats/safetensors_builder.h"

namespace promptcache::testing {
namespace {

constexpr uint64_t kCases = 10'000;
constexpr size_t kFixedBytes = 64 << 10;  // what a parse may take however small the file is

// The sum of all bytes of all tensors, so that a sanitizer sees one outside the file.
uint64_t SumOf(std::span<const uint8_t> bytes) {
  uint64_t sum = 0;
  for (uint8_t byte : bytes) sum += byte;
  return sum;
}

Status ParseAsGguf(const std::vector<uint8_t>& bytes) {
  const auto file = GgufFile::Parse(bytes, "mutated");
  if (!file.ok()) return file.status();
  for (const GgufTensor& tensor : (*file)->tensors()) (void)SumOf(tensor.bytes);
  return {};
}

Status ParseAsSafetensors(const std::vector<uint8_t>& bytes) {
  const auto tensors = ParseSafetensors(bytes);
  if (!tensors.ok()) return tensors.status();
  for (const StoredTensor& tensor : *tensors) (void)SumOf(tensor.bytes);
  return {};
}

std::vector<uint8_t> Bytes(size_t count) { return std::vector<uint8_t>(count, 1); }

using Parser = Status (*)(const std::vector<uint8_t>&);

// What parsing says; the memory it took is within the bound.
Status Measured(Parser parse, const std::vector<uint8_t>& bytes) {
  ResetPeak();
  Status said = parse(bytes);
  EXPECT_LE(PeakBytes(), 2 * bytes.size() + kFixedBytes);
  return said;
}

struct Outcome {
  uint64_t faults = 0;
  uint64_t harmless = 0;
};

Outcome ParseMutated(Parser parse, const std::vector<uint8_t>& whole, size_t header) {
  EXPECT_TRUE(parse(whole).ok());
  Outcome outcome;
  for (uint64_t seed = 0; seed < kCases; ++seed) {
    const Status said = Measured(parse, Mutate(whole, header, seed));
    ++(said.ok() ? outcome.harmless : outcome.faults);
    EXPECT_TRUE(said.ok() || said.code() == Code::kInvalidArgument ||
                said.code() == Code::kUnimplemented)
        << "seed " << seed << ": " << said.ToString();
    if (::testing::Test::HasFailure()) break;
  }
  return outcome;
}

TEST(MutatedHeaders, OfGgufFilesAreErrorsOrHarmless) {
  GgufBuilder builder;
  builder.String("general.architecture", "llama").U32("llama.block_count", 8).Bool("yes", true);
  builder.Strings("tokens", {"a", "", "bc"}).I32s("types", {1, 3}).F32s("scores", {0.5f});
  for (int i = 0; i < 8; ++i) {
    builder.Tensor("norm" + std::to_string(i), GgufTensorType::kF32, {16}, Bytes(64));
    builder.Tensor("weight" + std::to_string(i), GgufTensorType::kQ8_0, {32, 2}, Bytes(68));
  }
  const Outcome outcome = ParseMutated(ParseAsGguf, builder.Build(), builder.Header().size());
  EXPECT_GT(outcome.faults, kCases / 2);
  EXPECT_GT(outcome.harmless, kCases / 50);
}

TEST(MutatedHeaders, OfSafetensorsFilesAreErrorsOrHarmless) {
  SafetensorsBuilder builder;
  for (int i = 0; i < 8; ++i) {
    builder.Tensor("model.layers." + std::to_string(i) + ".norm.weight", "F32", {16}, Bytes(64));
    builder.Tensor("model.layers." + std::to_string(i) + ".mlp.weight", "BF16", {8, 4}, Bytes(64));
  }
  const auto whole = builder.Build();
  const Outcome outcome = ParseMutated(ParseAsSafetensors, whole, whole.size() - 8 * 128);
  EXPECT_GT(outcome.faults, kCases / 2);
  EXPECT_GT(outcome.harmless, kCases / 50);
}

TEST(CostlyHeaders, ManySmallEntriesOfAGgufFile) {
  for (const size_t padding : {size_t{0}, size_t{4} << 20}) {
    GgufBuilder keys, tensors;
    for (int i = 0; i < 8'000; ++i) {
      keys.Bool(std::to_string(i), true);
      tensors.TensorAt(std::to_string(i), static_cast<GgufTensorType>(99), {1}, 0);
    }
    for (const GgufBuilder& builder : {keys, tensors}) {
      auto bytes = builder.Build();
      bytes.resize(bytes.size() + padding);
      EXPECT_EQ(Measured(ParseAsGguf, bytes).ok(), padding > 0);
    }
  }
}

TEST(CostlyHeaders, LongNamesOfAGgufFile) {
  GgufBuilder builder;
  for (int i = 0; i < 100; ++i) {
    builder.U32(std::string(65'000, static_cast<char>(i)), 1);
    builder.TensorAt(std::string(65'000, static_cast<char>(i)), GgufTensorType::kF32, {1}, 0);
  }
  EXPECT_FALSE(Measured(ParseAsGguf, builder.Build()).ok());  // the tensors overlap
}

TEST(CostlyHeaders, ManySmallTensorsOfASafetensorsFile) {
  for (const size_t last : {size_t{4}, size_t{4} << 20}) {
    SafetensorsBuilder builder;
    for (int i = 0; i < 8'000; ++i) {
      builder.Tensor(std::to_string(i), "F16", {1, 1, 1, 1, 1, 1, 1, 1}, Bytes(2));
    }
    builder.Tensor("last", "F32", {static_cast<int64_t>(last / 4)}, Bytes(last));
    EXPECT_EQ(Measured(ParseAsSafetensors, builder.Build()).ok(), last > 4);
  }
}

TEST(CostlyHeaders, LongTextsOfASafetensorsFile) {
  const std::string megabyte(1 << 20, 'x');
  for (const std::string& header :
       {"{\"" + megabyte + "\":", "{\"__metadata__\":{\"a\":\"" + megabyte + "\"}}",
        "{\"a\":{\"shape\":[" + std::string(1 << 20, '9'), "{" + std::string(1 << 20, '['),
        "{\"a\":" + std::string(1 << 20, '{'), std::string(1 << 20, '{')}) {
    EXPECT_FALSE(Measured(ParseAsSafetensors, SafetensorsOf(header, {})).ok());
  }
  std::string names = "{\"__metadata__\":{";
  for (int i = 0; i < 40; ++i) names += "\"" + std::string(60'000, 'n') + "\":\"\",";
  names.back() = '}';
  EXPECT_TRUE(Measured(ParseAsSafetensors, SafetensorsOf(names + "}", {})).ok());
}

}  // namespace
}  // namespace promptcache::testing

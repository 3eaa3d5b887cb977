#include "common/formats/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/formats/gguf_builder.h"

namespace promptcache::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kSample[] = PROMPTCACHE_GOLDEN_DIR "/formats/sample.gguf";

std::shared_ptr<const GgufFile> OpenOrFail(const std::string& path) {
  auto file = GgufFile::Open(path);
  EXPECT_TRUE(file.ok()) << file.status().ToString();
  return *std::move(file);
}

// A file that another program wrote.
class GgufSample : public ::testing::Test {
 protected:
  const std::shared_ptr<const GgufFile> file_ = OpenOrFail(kSample);
};

TEST_F(GgufSample, HasIntegersOfEveryWidth) {
  EXPECT_EQ(*file_->GetUnsigned("sample.u8"), 200u);
  EXPECT_EQ(*file_->GetUnsigned("sample.u16"), 60000u);
  EXPECT_EQ(*file_->GetUnsigned("sample.u32"), 4000000000u);
  EXPECT_EQ(*file_->GetUnsigned("sample.u64"), UINT64_MAX);
}

TEST_F(GgufSample, NegativeIntegersAreNotUnsigned) {
  for (const char* key : {"sample.i8", "sample.i16", "sample.i32", "sample.i64"}) {
    const auto value = file_->GetUnsigned(key);
    ASSERT_FALSE(value.ok()) << key;
    EXPECT_EQ(value.status().code(), Code::kInvalidArgument);
    EXPECT_THAT(value.status().message(), HasSubstr(std::string("'") + key + "'"));
  }
}

TEST_F(GgufSample, HasFloatsBooleansAndStrings) {
  EXPECT_EQ(*file_->GetFloat("sample.f32"), double{0.1f});
  EXPECT_EQ(*file_->GetFloat("sample.f64"), 0.1);
  EXPECT_TRUE(*file_->GetBool("sample.yes"));
  EXPECT_FALSE(*file_->GetBool("sample.no"));
  EXPECT_EQ(*file_->GetString("sample.text"), "na\xC3\xAFve");
}

TEST_F(GgufSample, HasArrays) {
  EXPECT_THAT(*file_->GetStrings("sample.texts"), ElementsAre("", "a", "\xE2\x82\xAC"));
  EXPECT_THAT(*file_->GetIntegers("sample.integers"), ElementsAre(-1, 0, 7));
  EXPECT_THAT(*file_->GetFloats("sample.floats"), ElementsAre(0.5f, -0.25f));
}

TEST_F(GgufSample, HasTensorsWithTheirDimensionsFastestFirst) {
  ASSERT_EQ(file_->tensors().size(), 13u);
  const GgufTensor* tensor = file_->FindTensor("Q4_1");
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(tensor->type, GgufTensorType::kQ4_1);
  EXPECT_THAT(tensor->dims, ElementsAre(256, 2));
  EXPECT_EQ(tensor->elements(), 512u);
  EXPECT_EQ(tensor->bytes.size(), 512u / 32 * 20);
  EXPECT_EQ(file_->FindTensor("Q4_"), nullptr);
}

TEST_F(GgufSample, AnAbsentKeyIsNotFoundAndNamed) {
  EXPECT_FALSE(file_->Has("sample.nothing"));
  EXPECT_TRUE(file_->Has("sample.u8"));
  for (const Status& fault :
       {file_->GetUnsigned("sample.nothing").status(), file_->GetFloat("sample.nothing").status(),
        file_->GetBool("sample.nothing").status(), file_->GetString("sample.nothing").status(),
        file_->GetStrings("sample.nothing").status(), file_->GetIntegers("sample.nothing").status(),
        file_->GetFloats("sample.nothing").status()}) {
    EXPECT_EQ(fault.code(), Code::kNotFound);
    EXPECT_THAT(fault.message(), HasSubstr("sample.gguf"));
    EXPECT_THAT(fault.message(), HasSubstr("'sample.nothing'"));
  }
}

// Every getter on a key of every other kind.
TEST_F(GgufSample, AnotherTypeIsAnErrorThatNamesKeyAndWish) {
  const auto expect = [](const Status& fault, const char* key, const char* wish) {
    EXPECT_EQ(fault.code(), Code::kInvalidArgument) << key << " as " << wish;
    EXPECT_THAT(fault.message(), HasSubstr(std::string("'") + key + "' is not " + wish));
  };
  for (const char* key : {"sample.f32", "sample.yes", "sample.text", "sample.integers"}) {
    expect(file_->GetUnsigned(key).status(), key, "a non-negative integer");
  }
  for (const char* key : {"sample.u8", "sample.yes", "sample.text", "sample.floats"}) {
    expect(file_->GetFloat(key).status(), key, "a floating-point number");
  }
  for (const char* key : {"sample.u8", "sample.f32", "sample.text", "sample.integers"}) {
    expect(file_->GetBool(key).status(), key, "a boolean");
  }
  for (const char* key : {"sample.u8", "sample.yes", "sample.texts"}) {
    expect(file_->GetString(key).status(), key, "a string");
  }
  for (const char* key : {"sample.text", "sample.integers", "sample.u8"}) {
    expect(file_->GetStrings(key).status(), key, "an array of strings");
  }
  for (const char* key : {"sample.texts", "sample.floats", "sample.u8", "sample.text"}) {
    expect(file_->GetIntegers(key).status(), key, "an array of integers");
  }
  for (const char* key : {"sample.texts", "sample.integers", "sample.f32"}) {
    expect(file_->GetFloats(key).status(), key, "an array of 32-bit floating-point numbers");
  }
}

TEST(Gguf, EmptyArraysAndNoTensorsAreFine) {
  const auto bytes = GgufBuilder().Strings("texts", {}).I32s("integers", {}).F32s("f", {}).Build();
  const auto file = GgufFile::Parse(bytes, "empty");
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  EXPECT_THAT(*(*file)->GetStrings("texts"), IsEmpty());
  EXPECT_THAT(*(*file)->GetIntegers("integers"), IsEmpty());
  EXPECT_THAT(*(*file)->GetFloats("f"), IsEmpty());
  EXPECT_THAT((*file)->tensors(), IsEmpty());
}

TEST(Gguf, ReadsVersionTwo) {
  auto bytes = GgufBuilder().U32("a", 1).Build();
  bytes[4] = 2;
  const auto file = GgufFile::Parse(bytes, "two");
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  EXPECT_EQ(*(*file)->GetUnsigned("a"), 1u);
}

TEST(Gguf, PlacesTensorsByTheAlignmentOfTheFile) {
  for (const uint64_t alignment : {8, 16, 64, 4096}) {
    const auto bytes = GgufBuilder()
                           .Alignment(alignment)
                           .Tensor("one", GgufTensorType::kF16, {2}, {1, 2, 3, 4})
                           .Tensor("two", GgufTensorType::kF32, {1}, {5, 6, 7, 8})
                           .Build();
    const auto file = GgufFile::Parse(bytes, "aligned");
    ASSERT_TRUE(file.ok()) << file.status().ToString();
    const auto one = (*file)->FindTensor("one")->bytes;
    const auto two = (*file)->FindTensor("two")->bytes;
    EXPECT_THAT(std::vector(one.begin(), one.end()), ElementsAre(1, 2, 3, 4));
    EXPECT_THAT(std::vector(two.begin(), two.end()), ElementsAre(5, 6, 7, 8));
    EXPECT_EQ((one.data() - bytes.data()) % static_cast<ptrdiff_t>(alignment), 0);
    EXPECT_EQ(two.data() - one.data(), static_cast<ptrdiff_t>(alignment));
  }
}

TEST(Gguf, EveryTypeHasANameAndABlock) {
  struct Row {
    GgufTensorType type;
    const char* name;
    uint32_t elements, bytes;
  };
  const Row rows[] = {
      {GgufTensorType::kF32, "F32", 1, 4},       {GgufTensorType::kF16, "F16", 1, 2},
      {GgufTensorType::kBF16, "BF16", 1, 2},     {GgufTensorType::kQ4_0, "Q4_0", 32, 18},
      {GgufTensorType::kQ4_1, "Q4_1", 32, 20},   {GgufTensorType::kQ5_0, "Q5_0", 32, 22},
      {GgufTensorType::kQ5_1, "Q5_1", 32, 24},   {GgufTensorType::kQ8_0, "Q8_0", 32, 34},
      {GgufTensorType::kQ2_K, "Q2_K", 256, 84},  {GgufTensorType::kQ3_K, "Q3_K", 256, 110},
      {GgufTensorType::kQ4_K, "Q4_K", 256, 144}, {GgufTensorType::kQ5_K, "Q5_K", 256, 176},
      {GgufTensorType::kQ6_K, "Q6_K", 256, 210}};
  for (const Row& row : rows) {
    const auto block = BlockOf(row.type);
    ASSERT_TRUE(block.ok()) << row.name;
    EXPECT_EQ(GgufTypeName(row.type), row.name);
    EXPECT_EQ(block->elements, row.elements) << row.name;
    EXPECT_EQ(block->bytes, row.bytes) << row.name;
  }
}

TEST(Gguf, AnUnknownTypeIsNamedWhenItIsUsed) {
  constexpr auto kUnknown = static_cast<GgufTensorType>(20);
  const auto bytes = GgufBuilder().TensorAt("odd", kUnknown, {7}, 5).Build();
  const auto file = GgufFile::Parse(bytes, "odd");
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  EXPECT_THAT((*file)->FindTensor("odd")->bytes, IsEmpty());
  const auto block = BlockOf((*file)->FindTensor("odd")->type);
  ASSERT_FALSE(block.ok());
  EXPECT_EQ(block.status().code(), Code::kUnimplemented);
  EXPECT_THAT(block.status().message(), HasSubstr("type 20"));
}

}  // namespace
}  // namespace promptcache::testing

// Files that are cut short, damaged or made to hurt: an error that says what is wrong, or a file in
// which everything that can be read lies inside.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/formats/gguf.h"
#include "common/formats/gguf_types.h"
#include "tests/unit/formats/gguf_builder.h"

namespace promptcache::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

GgufBuilder SmallFile() {
  return GgufBuilder()
      .String("general.architecture", "llama")
      .U32("llama.block_count", 2)
      .F32("llama.epsilon", 1e-5f)
      .Bool("yes", true)
      .Strings("tokens", {"a", "", "bc"})
      .I32s("types", {1, 3})
      .F32s("scores", {0.5f})
      .Tensor("norm", GgufTensorType::kF32, {4}, std::vector<uint8_t>(16, 1))
      .Tensor("weight", GgufTensorType::kQ8_0, {32, 2}, std::vector<uint8_t>(68, 2));
}

// An allocation of exactly these bytes, so that a sanitizer sees a read past them.
Result<std::shared_ptr<const GgufFile>> ParseExactly(const std::vector<uint8_t>& bytes) {
  return GgufFile::Parse(bytes, "small.gguf");
}

// Reads all there is; returns the sum, so that no read is dropped.
uint64_t ReadEverything(const GgufFile& file) {
  uint64_t sum = 0;
  for (const char* key : {"general.architecture", "llama.block_count", "llama.epsilon", "yes",
                          "tokens", "types", "scores"}) {
    sum += file.Has(key) ? 1 : 0;
    if (const auto value = file.GetUnsigned(key); value.ok()) sum += *value;
    if (const auto value = file.GetFloat(key); value.ok()) sum += *value > 0 ? 1 : 0;
    if (const auto value = file.GetBool(key); value.ok()) sum += *value ? 1 : 0;
    if (const auto value = file.GetString(key); value.ok()) sum += value->size();
    if (const auto value = file.GetStrings(key); value.ok()) sum += value->size();
    if (const auto value = file.GetIntegers(key); value.ok()) sum += value->size();
    if (const auto value = file.GetFloats(key); value.ok()) sum += value->size();
  }
  for (const GgufTensor& tensor : file.tensors()) {
    for (uint8_t byte : tensor.bytes) sum += byte;
  }
  return sum;
}

Status FaultOf(const std::vector<uint8_t>& bytes) {
  const auto file = ParseExactly(bytes);
  EXPECT_FALSE(file.ok());
  return file.status();
}

void ExpectFault(const GgufBuilder& builder, const std::string& part) {
  const Status fault = FaultOf(builder.Build());
  EXPECT_EQ(fault.code(), Code::kInvalidArgument);
  EXPECT_THAT(fault.message(), AllOf(HasSubstr("small.gguf"), HasSubstr(part)));
}

// The first bytes of a file: magic, version and the two counts.
std::vector<uint8_t> Start(uint32_t version, uint64_t tensors, uint64_t values) {
  ByteWriter start;
  start.Put<uint32_t>(0x46554747).Put(version).Put(tensors).Put(values);
  return start.bytes();
}

TEST(GgufHostile, TheSmallFileIsValid) {
  const auto bytes = SmallFile().Build();
  const auto file = ParseExactly(bytes);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  EXPECT_GT(ReadEverything(**file), 7u);
}

TEST(GgufHostile, EveryTruncationIsAnError) {
  const auto whole = SmallFile().Build();
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    const Status fault = FaultOf(cut);
    ASSERT_EQ(fault.code(), Code::kInvalidArgument) << size;
    ASSERT_THAT(fault.message(), HasSubstr("small.gguf: ")) << size;
  }
}

TEST(GgufHostile, EveryFlippedBitOfTheHeaderIsAnErrorOrHarmless) {
  const auto whole = SmallFile().Build();
  const size_t header = SmallFile().Header().size();
  size_t faults = 0;
  for (size_t at = 0; at < header; ++at) {
    for (const int flip : {1, 2, 4, 8, 16, 32, 64, 128, 255}) {
      std::vector<uint8_t> damaged = whole;
      damaged[at] ^= static_cast<uint8_t>(flip);
      const auto file = ParseExactly(damaged);
      if (file.ok()) {
        (void)ReadEverything(**file);
        continue;
      }
      ++faults;
      ASSERT_EQ(file.status().code(), Code::kInvalidArgument) << at;
      ASSERT_GT(file.status().message().size(), sizeof("small.gguf: ")) << at;
    }
  }
  EXPECT_GT(faults, header);
}

TEST(GgufHostile, OtherFilesAreNotGguf) {
  EXPECT_THAT(FaultOf({'G', 'G', 'M', 'L', 3, 0, 0, 0}).message(), HasSubstr("not a GGUF file"));
  EXPECT_THAT(FaultOf({}).message(), HasSubstr("ends inside the magic"));
}

TEST(GgufHostile, OtherVersionsAreNamed) {
  for (const uint32_t version : {0u, 1u, 4u, 0x03000000u}) {
    EXPECT_THAT(FaultOf(Start(version, 0, 0)).message(),
                HasSubstr("version " + std::to_string(version)));
  }
}

// None of these may allocate what the file claims.
TEST(GgufHostile, CountsLargerThanTheFileAreErrors) {
  for (const uint64_t count :
       {uint64_t{1} << 20, uint64_t{1} << 32, uint64_t{1} << 63, UINT64_MAX}) {
    EXPECT_EQ(FaultOf(Start(3, count, 0)).code(), Code::kInvalidArgument);
    EXPECT_EQ(FaultOf(Start(3, 0, count)).code(), Code::kInvalidArgument);
    EXPECT_EQ(FaultOf(Start(3, count, count)).code(), Code::kInvalidArgument);
  }
  EXPECT_THAT(FaultOf(Start(3, UINT64_MAX, 0)).message(),
              HasSubstr("18446744073709551615 tensors"));
}

TEST(GgufHostile, LengthsPastTheEndAreErrors) {
  for (const uint64_t length : {uint64_t{64}, uint64_t{1} << 40, UINT64_MAX - 7, UINT64_MAX}) {
    ExpectFault(GgufBuilder().Raw("long", gguf::kString, ByteWriter().Put(length)), "'long'");
    for (const uint32_t type : {gguf::kString, gguf::kUint8, gguf::kInt32, gguf::kFloat64}) {
      ExpectFault(GgufBuilder().Raw("many", gguf::kArray, ByteWriter().Put(type).Put(length)),
                  "'many'");
    }
  }
  auto key = Start(3, 0, 1);
  key.resize(key.size() + 8, 0xFF);
  EXPECT_THAT(FaultOf(key).message(), HasSubstr("a key of 18446744073709551615 bytes"));
}

TEST(GgufHostile, UnknownValueTypesAndNestedArraysAreErrors) {
  ExpectFault(GgufBuilder().Raw("odd", 13, ByteWriter().Put<uint64_t>(0)), "unknown value type 13");
  for (const uint32_t element : {uint32_t{gguf::kArray}, 13u, UINT32_MAX}) {
    ExpectFault(GgufBuilder().Raw("nested", gguf::kArray,
                                  ByteWriter().Put(element).Put<uint64_t>(1).Put<uint64_t>(0)),
                "an array of type " + std::to_string(element));
  }
}

TEST(GgufHostile, NamesThatOccurTwiceAreErrors) {
  ExpectFault(GgufBuilder().U32("key", 1).U32("key", 1), "key 'key' occurs twice");
  ExpectFault(GgufBuilder()
                  .Tensor("t", GgufTensorType::kF32, {1}, {0, 0, 0, 0})
                  .Tensor("t", GgufTensorType::kF32, {1}, {0, 0, 0, 0}),
              "tensor 't' occurs twice");
}

TEST(GgufHostile, ImpossibleDimensionsAreErrors) {
  const auto with = [](std::vector<uint64_t> dims) {
    return GgufBuilder().TensorAt("t", GgufTensorType::kF32, std::move(dims), 0);
  };
  ExpectFault(with({}), "tensor 't' has 0 dimensions");
  ExpectFault(with({1, 1, 1, 1, 1}), "tensor 't' has 5 dimensions");
  ExpectFault(with({0}), "dimension 0 of 0");
  ExpectFault(with({4, UINT64_MAX}), "dimension 1 of 18446744073709551615");
  ExpectFault(with({uint64_t{1} << 32, uint64_t{1} << 32}), "out of range");
  ExpectFault(with({uint64_t{1} << 20, uint64_t{1} << 20, 2}), "dimension 2 of 2");
}

TEST(GgufHostile, RowsThatAreNoWholeBlocksAreErrors) {
  ExpectFault(GgufBuilder().Tensor("t", GgufTensorType::kQ4_1, {33}, std::vector<uint8_t>(64)),
              "33 elements are no multiple of the 32");
  ExpectFault(GgufBuilder().Tensor("t", GgufTensorType::kQ8_0, {16, 2}, std::vector<uint8_t>(64)),
              "16 elements are no multiple of the 32");
}

TEST(GgufHostile, TensorsOutsideTheDataAreErrors) {
  const auto at = [](uint64_t offset) {
    return GgufBuilder()
        .Tensor("first", GgufTensorType::kF32, {8}, std::vector<uint8_t>(32))
        .TensorAt("t", GgufTensorType::kF32, {8}, offset);
  };
  for (const uint64_t offset :
       {uint64_t{32}, uint64_t{1} << 40, uint64_t{1} << 63, UINT64_MAX - 31}) {
    ExpectFault(at(offset), "tensor 't': 32 bytes at offset " + std::to_string(offset));
  }
  ExpectFault(at(4), "offset 4 is not a multiple of 32");
  ExpectFault(at(UINT64_MAX), "is not a multiple of 32");
}

TEST(GgufHostile, OverlappingTensorsAreErrors) {
  ExpectFault(GgufBuilder()
                  .Tensor("one", GgufTensorType::kF32, {16}, std::vector<uint8_t>(64))
                  .TensorAt("two", GgufTensorType::kF32, {8}, 32),
              "'one' and 'two' overlap");
  ExpectFault(GgufBuilder()
                  .Tensor("one", GgufTensorType::kF32, {8}, std::vector<uint8_t>(32))
                  .TensorAt("two", GgufTensorType::kF32, {8}, 0),
              "overlap");
}

TEST(GgufHostile, AlignmentsThatCannotBeAreErrors) {
  for (const uint32_t alignment : {0u, 1u, 7u, 12u, (1u << 20) + 8, UINT32_MAX}) {
    ExpectFault(GgufBuilder().U32("general.alignment", alignment),
                "general.alignment is " + std::to_string(alignment));
  }
  ExpectFault(GgufBuilder().F32("general.alignment", 32), "general.alignment");
  ExpectFault(GgufBuilder().String("general.alignment", "32"), "general.alignment");
}

}  // namespace
}  // namespace promptcache::testing

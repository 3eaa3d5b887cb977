// Tensors of tests/golden/formats/sample.gguf against the values that the `gguf` package of Python
// gives for them.
#include "worker/model/dequantize.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

namespace promptcache::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kFolder[] = PROMPTCACHE_GOLDEN_DIR "/formats/";

std::vector<float> FloatsOfHex(const std::string& hex) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

StoredTensor Stored(const GgufTensor& tensor) {
  return {.name = tensor.name,
          .type = tensor.type,
          .sizes = {tensor.dims.rbegin(), tensor.dims.rend()},
          .bytes = tensor.bytes};
}

TEST(Dequantize, GivesTheValuesOfTheGgufPackage) {
  std::ifstream source(std::string(kFolder) + "sample.json");
  const auto golden = nlohmann::json::parse(source);
  const auto file = GgufFile::Open(std::string(kFolder) + "sample.gguf");
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  ASSERT_EQ(golden["tensors"].size(), (*file)->tensors().size());
  for (const auto& [name, hex] : golden["tensors"].items()) {
    const GgufTensor* tensor = (*file)->FindTensor(name);
    ASSERT_NE(tensor, nullptr) << name;
    EXPECT_EQ(GgufTypeName(tensor->type), name);
    const auto values = Dequantize(Stored(*tensor), at::kFloat);
    ASSERT_TRUE(values.ok()) << values.status().ToString();
    EXPECT_EQ(values->sizes(), at::IntArrayRef({golden["rows"], golden["columns"]})) << name;
    ASSERT_EQ(values->scalar_type(), at::kFloat);
    const auto* data = values->const_data_ptr<float>();
    EXPECT_EQ(std::vector<float>(data, data + values->numel()), FloatsOfHex(hex.get<std::string>()))
        << name;
  }
}

TEST(Dequantize, Bf16IsTheValueRounded) {
  const auto file = GgufFile::Open(std::string(kFolder) + "sample.gguf");
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  for (const GgufTensor& tensor : (*file)->tensors()) {
    const auto exact = Dequantize(Stored(tensor), at::kFloat);
    const auto rounded = Dequantize(Stored(tensor), at::kBFloat16);
    ASSERT_TRUE(exact.ok() && rounded.ok()) << tensor.name;
    EXPECT_TRUE(rounded->equal(exact->to(at::kBFloat16))) << tensor.name;
  }
}

StoredTensor OfFloats(const std::vector<float>& values) {
  return {.name = "blk.0.weight",
          .type = GgufTensorType::kF32,
          .sizes = {static_cast<int64_t>(values.size())},
          .bytes = {reinterpret_cast<const uint8_t*>(values.data()), 4 * values.size()}};
}

// Many parts, decoded by several threads, the last one shorter.
TEST(Dequantize, LargeTensorsComeWhole) {
  std::vector<float> values(1'000'003);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) - 5e5f;
  const at::Tensor expected = at::from_blob(values.data(), {1'000'003}, at::kFloat);
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const auto decoded = Dequantize(OfFloats(values), dtype);
    ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
    EXPECT_TRUE(decoded->equal(expected.to(dtype)));
  }
}

TEST(Dequantize, ValuesThatAreNotFiniteAreDataLoss) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float value : {kInfinity, -kInfinity, std::nanf(""), -std::nanf("0x7fffff")}) {
    for (const size_t place : {size_t{0}, size_t{5000}, size_t{600'000}}) {
      std::vector<float> values(600'001, 1);
      values[place] = value;
      for (const auto dtype : {at::kFloat, at::kBFloat16}) {
        const Status fault = Dequantize(OfFloats(values), dtype).status();
        EXPECT_EQ(fault.code(), Code::kDataLoss);
        EXPECT_THAT(fault.message(), HasSubstr("'blk.0.weight'"));
      }
    }
  }
}

TEST(Dequantize, ValuesTooLargeForBf16AreDataLoss) {
  const std::vector<float> values = {std::numeric_limits<float>::max()};
  EXPECT_TRUE(Dequantize(OfFloats(values), at::kFloat).ok());
  EXPECT_EQ(Dequantize(OfFloats(values), at::kBFloat16).status().code(), Code::kDataLoss);
}

TEST(Dequantize, NamesWhatItCannotRead) {
  const Status unknown =
      Dequantize({.name = "blk.0.weight", .type = static_cast<GgufTensorType>(20), .sizes = {256}},
                 at::kFloat)
          .status();
  EXPECT_EQ(unknown.code(), Code::kUnimplemented);
  EXPECT_THAT(unknown.message(), AllOf(HasSubstr("'blk.0.weight'"), HasSubstr("type 20")));
  const std::vector<uint8_t> bytes(18);
  const Status wrong =
      Dequantize(
          {.name = "blk.0.weight", .type = GgufTensorType::kQ4_0, .sizes = {2, 32}, .bytes = bytes},
          at::kFloat)
          .status();
  EXPECT_EQ(wrong.code(), Code::kInvalidArgument);
  EXPECT_THAT(wrong.message(), HasSubstr("18 bytes do not hold [2, 32] of Q4_0"));
}

}  // namespace
}  // namespace promptcache::testing

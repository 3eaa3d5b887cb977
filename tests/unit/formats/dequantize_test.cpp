// Tensors of tests/golden/formats/sample.gguf against the values that the `gguf` package of Python
// gives for them.
#include "worker/model/dequantize.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
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

TEST(Dequantize, GivesTheValuesOfTheGgufPackage) {
  std::ifstream source(std::string(kFolder) + "sample.json");
  const auto golden = nlohmann::json::parse(source);
  const auto file = GgufFile::Open(std::string(kFolder) + "sample.gguf");
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  ASSERT_EQ(golden["tensors"].size(), 6u);
  for (const auto& [name, hex] : golden["tensors"].items()) {
    const GgufTensor* tensor = (*file)->FindTensor(name);
    ASSERT_NE(tensor, nullptr) << name;
    EXPECT_EQ(GgufTypeName(tensor->type), name);
    const auto values = Dequantize(*tensor);
    ASSERT_TRUE(values.ok()) << values.status().ToString();
    EXPECT_EQ(values->sizes(), at::IntArrayRef({golden["rows"], golden["columns"]})) << name;
    ASSERT_EQ(values->scalar_type(), at::kFloat);
    const auto* data = values->const_data_ptr<float>();
    EXPECT_EQ(std::vector<float>(data, data + values->numel()), FloatsOfHex(hex.get<std::string>()))
        << name;
  }
}

TEST(Dequantize, NamesWhatItCannotRead) {
  for (const auto& [type, name] :
       {std::pair{GgufTensorType::kQ6_K, "Q6_K"}, {static_cast<GgufTensorType>(20), "type 20"}}) {
    const auto values = Dequantize({.name = "blk.0.weight", .type = type, .dims = {256}});
    ASSERT_FALSE(values.ok());
    EXPECT_EQ(values.status().code(), Code::kUnimplemented);
    EXPECT_THAT(values.status().message(), AllOf(HasSubstr("'blk.0.weight'"), HasSubstr(name)));
  }
}

}  // namespace
}  // namespace promptcache::testing

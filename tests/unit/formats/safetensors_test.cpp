#include "common/formats/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "tests/fakes/test_env.h"
#include "tests/unit/cachestore/temp_dir.h"
#include "tests/unit/formats/safetensors_builder.h"

namespace promptcache::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<uint8_t> Bytes(size_t count) {
  std::vector<uint8_t> bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<uint8_t>(i);
  return bytes;
}

// The fault of a file with this header over `data` bytes.
Status FaultOf(std::string_view header, size_t data, Code code = Code::kInvalidArgument) {
  const auto file = SafetensorsOf(header, Bytes(data));
  const auto tensors = ParseSafetensors(file);
  EXPECT_EQ(tensors.status().code(), code) << header;
  return tensors.status();
}

void ExpectFault(std::string_view header, size_t data, const std::string& part) {
  EXPECT_THAT(FaultOf(header, data).message(), HasSubstr(part)) << header;
}

TEST(Safetensors, TensorsComeInTheOrderOfTheirBytes) {
  const auto file = SafetensorsOf(
      R"({"b":{"data_offsets":[8,20],"dtype":"BF16","shape":[2,3]},
          "__metadata__":{"format":"pt"},
          "a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
          "h":{"dtype":"F16","shape":[1],"data_offsets":[20,22]}}  )",
      Bytes(22));
  const auto tensors = ParseSafetensors(file);
  ASSERT_TRUE(tensors.ok()) << tensors.status().ToString();
  ASSERT_EQ(tensors->size(), 3u);
  const auto& [a, b, h] = std::tie((*tensors)[0], (*tensors)[1], (*tensors)[2]);
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.type, GgufTensorType::kF32);
  EXPECT_EQ(b.name, "b");
  EXPECT_EQ(b.type, GgufTensorType::kBF16);
  EXPECT_THAT(b.sizes, ElementsAre(2, 3));
  EXPECT_EQ(b.elements(), 6);
  EXPECT_EQ(b.bytes.data(), file.data() + file.size() - 14);
  EXPECT_EQ(b.bytes.size(), 12u);
  EXPECT_EQ(h.type, GgufTensorType::kF16);
  EXPECT_THAT(h.bytes, ElementsAre(20, 21));
}

TEST(Safetensors, ScalarsAndEmptyTensorsAreTensors) {
  const auto file = SafetensorsOf(
      R"({"none":{"dtype":"F32","shape":[0,7],"data_offsets":[4,4]},
          "scalar":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})",
      Bytes(4));
  const auto tensors = ParseSafetensors(file);
  ASSERT_TRUE(tensors.ok()) << tensors.status().ToString();
  ASSERT_EQ(tensors->size(), 2u);
  EXPECT_EQ((*tensors)[0].elements(), 1);
  EXPECT_EQ((*tensors)[1].elements(), 0);
}

TEST(Safetensors, SizesHaveOneText) {
  EXPECT_EQ(SizesText(std::vector<int64_t>{49152, 576}), "[49152, 576]");
  EXPECT_EQ(SizesText({}), "[]");
}

TEST(SafetensorsHostile, EveryTruncationIsAnError) {
  const auto whole = SafetensorsBuilder()
                         .Tensor("a", "F32", {2}, Bytes(8))
                         .Tensor("b", "BF16", {2, 2}, Bytes(8))
                         .Build();
  ASSERT_TRUE(ParseSafetensors(whole).ok());
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    const auto tensors = ParseSafetensors(cut);
    ASSERT_FALSE(tensors.ok()) << size;
    ASSERT_EQ(tensors.status().code(), Code::kInvalidArgument) << size;
  }
}

TEST(SafetensorsHostile, AHeaderLargerThanTheFileIsAnError) {
  for (const uint64_t length : {uint64_t{9}, uint64_t{1} << 40, uint64_t{1} << 63, UINT64_MAX}) {
    std::vector<uint8_t> file(16, '{');
    std::memcpy(file.data(), &length, sizeof(length));
    EXPECT_THAT(ParseSafetensors(file).status().message(),
                HasSubstr("a header of " + std::to_string(length) + " bytes"));
  }
}

TEST(SafetensorsHostile, WhatIsNoHeaderIsAnError) {
  ExpectFault("", 0, "not a safetensors file");
  ExpectFault("[]", 0, "not a safetensors file");
  ExpectFault("{", 0, "at byte 2: not JSON");
  ExpectFault("{} {}", 0, "not JSON");
  ExpectFault("{\"\xFF\":{}}", 0, "not JSON");
  ExpectFault(R"({"a":[]})", 0, "tensor 'a': an array");
  ExpectFault(R"({"a":{"shape":{}}})", 0, "an object");
  ExpectFault(R"({"a":{"shape":[[1]]}})", 0, "an array");
  ExpectFault(R"({"a":{"shape":"1"}})", 0, "a string");
  ExpectFault(R"({"a":{"dtype":3}})", 0, "a number");
  ExpectFault(R"({"a":{"colour":3}})", 0, "'colour' is not known");
  ExpectFault(R"({"a":{"dtype":"F32","dtype":"F16"}})", 0, "'dtype' is there twice");
  ExpectFault(R"({"a":{"dtype":"F32","shape":[]}})", 0, "are missing");
  ExpectFault(R"({"a":{"shape":[],"data_offsets":[0,4]}})", 4, "are missing");
  ExpectFault(R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4, "are missing");
  ExpectFault(R"({"__metadata__":{"format":1}})", 0, "__metadata__: a number");
}

TEST(SafetensorsHostile, OtherTypesAreNamed) {
  const Status fault = FaultOf(R"({"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", 1,
                               Code::kUnimplemented);
  EXPECT_THAT(fault.message(),
              AllOf(HasSubstr("tensor 'a'"), HasSubstr("F8_E4M3"), HasSubstr("F32, F16 and BF16")));
}

std::string F32(const std::string& name, const std::string& shape, const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":"F32","shape":[)" + shape + R"(],"data_offsets":[)" + offsets +
         "]}";
}

TEST(SafetensorsHostile, SizesThatLieAreErrors) {
  const auto with = [](const std::string& shape) { return "{" + F32("t", shape, "0,8") + "}"; };
  ExpectFault(with("3"), 8, "tensor 't': F32 of [3] need 12 bytes, its data_offsets give 8");
  ExpectFault(with("-2"), 8, "tensor 't': a negative number");
  ExpectFault(with("2.0"), 8, "a number that is not whole");
  ExpectFault(with("99999999999999999999"), 8, "a number that is not whole");
  ExpectFault(with("18446744073709551615"), 8, "dimension 0 of 18446744073709551615");
  ExpectFault(with("4294967296,4294967296"), 8, "dimension 1 of 4294967296 is out of range");
  ExpectFault(with("2,9223372036854775809"), 8, "out of range");
  ExpectFault(with("1,1,1,1,1,1,1,1,2"), 8, "more than 8 numbers in shape");
}

TEST(SafetensorsHostile, RangesOutsideTheDataAreErrors) {
  const auto at = [](const std::string& offsets) { return "{" + F32("t", "2", offsets) + "}"; };
  ExpectFault(at("0,9"), 8, "bytes 0 to 9 of the data, which has 8");
  ExpectFault(at("8,0"), 8, "bytes 8 to 0");
  ExpectFault(at("18446744073709551608,18446744073709551615"), 8, "of the data");
  ExpectFault(at("0"), 8, "are missing");
  ExpectFault(at("0,8,8"), 8, "more than 2 numbers");
}

TEST(SafetensorsHostile, OverlapsAndGapsAreErrors) {
  const auto two = [](const std::string& a, const std::string& b) {
    return "{" + F32("a", "2", a) + "," + F32("b", "2", b) + "}";
  };
  ExpectFault(two("0,8", "4,12"), 16, "tensors 'a' and 'b' overlap");
  ExpectFault(two("0,8", "0,8"), 16, "overlap");
  ExpectFault(two("0,8", "12,20"), 20, "tensor 'b': 4 bytes before offset 12 belong to none");
  ExpectFault(two("4,12", "12,20"), 20, "tensor 'a': 4 bytes before offset 4");
  ExpectFault(two("0,8", "8,16"), 17, "the last 1 bytes belong to no tensor");
}

TEST(SafetensorsHostile, NamesThatOccurTwiceAreErrors) {
  ExpectFault("{" + F32("t", "1", "0,4") + "," + F32("t", "1", "4,8") + "}", 8,
              "tensor 't' occurs twice");
}

TEST(SafetensorsHostile, WhatWouldTakeMuchMemoryIsRefused) {
  ExpectFault("{\"" + std::string(8000, 'a') + "\":{}}", 0, "a string or number of 8000 bytes");
  ExpectFault("{\"a\":" + std::string(8000, '1') + "}", 0, "a string or number of 8000 bytes");
  SafetensorsBuilder many;
  for (int i = 0; i < 400; ++i) many.Tensor(std::to_string(i), "F32", {1}, Bytes(4));
  EXPECT_THAT(ParseSafetensors(many.Build()).status().message(), HasSubstr("more than 17"));
}

TEST(Safetensors, ReadsATrainedModel) {
  const auto data = TestDataDir();
  PC_SKIP_WITHOUT(data, "the test data");
  const auto folder = *data / "data" / "weights" / "llama" / "stories260K" / "hf-derived";
  const auto files = OpenSafetensors(folder.string());
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  ASSERT_EQ(files->size(), 1u);
  EXPECT_EQ((*files)[0].tensors.front().name, "model.embed_tokens.weight");
  EXPECT_THAT((*files)[0].tensors.front().sizes, ElementsAre(512, 64));
}

class SafetensorsDirectory : public ::testing::Test {
 protected:
  void Write(const std::string& name, std::string_view text) {
    std::ofstream(folder_.Sub(name), std::ios::binary) << text;
  }
  void WriteShard(const std::string& name, const SafetensorsBuilder& shard) {
    const auto bytes = shard.Build();
    Write(name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  // One tensor in each of two files.
  void WriteTwoShards() {
    WriteShard("x-1.safetensors", SafetensorsBuilder().Tensor("a", "F32", {1}, Bytes(4)));
    WriteShard("x-2.safetensors", SafetensorsBuilder().Tensor("b", "F32", {2}, Bytes(8)));
  }
  Result<std::vector<SafetensorsFile>> OpenIndexed(const std::string& index) {
    Write("model.safetensors.index.json", index);
    return OpenSafetensors(folder_.path());
  }
  void ExpectIndexFault(const std::string& weight_map, const std::string& part) {
    const auto files = OpenIndexed(R"({"weight_map":{)" + weight_map + "}}");
    ASSERT_FALSE(files.ok()) << weight_map;
    EXPECT_THAT(files.status().message(), AllOf(HasSubstr(folder_.path()), HasSubstr(part)));
  }

  TempDir folder_;
};

TEST_F(SafetensorsDirectory, FilesOfAnIndexComeByName) {
  WriteTwoShards();
  const auto files = OpenIndexed(
      R"({"metadata":{"total_size":12,"note":"x"},
          "weight_map":{"b":"x-2.safetensors","a":"x-1.safetensors"}})");
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  ASSERT_EQ(files->size(), 2u);
  EXPECT_EQ((*files)[0].file->path(), folder_.Sub("x-1.safetensors"));
  EXPECT_EQ((*files)[0].tensors[0].name, "a");
  EXPECT_EQ((*files)[1].tensors[0].name, "b");
}

TEST_F(SafetensorsDirectory, AnIndexNamesEveryTensorOnce) {
  WriteTwoShards();
  ExpectIndexFault(R"("a":"x-1.safetensors","c":"x-2.safetensors")", "tensor 'c' is not in x-2");
  ExpectIndexFault(R"("a":"x-1.safetensors","b":"x-1.safetensors")", "tensor 'b' is not in x-1");
  ExpectIndexFault(R"("a":"x-1.safetensors","b":"x-2.safetensors","a":"x-1.safetensors")",
                   "tensor 'a' is named twice");
  ExpectIndexFault(R"("b":"x-3.safetensors")", "cannot open");
  ExpectIndexFault("", "names no file");
  WriteShard(
      "x-2.safetensors",
      SafetensorsBuilder().Tensor("b", "F32", {2}, Bytes(8)).Tensor("more", "F32", {1}, Bytes(4)));
  ExpectIndexFault(R"("a":"x-1.safetensors","b":"x-2.safetensors")",
                   "x-2.safetensors holds tensor 'more', which the index does not name");
  WriteShard("x-2.safetensors", SafetensorsBuilder().Tensor("a", "F32", {2}, Bytes(8)));
  ExpectIndexFault(R"("a":"x-1.safetensors","b":"x-2.safetensors")",
                   "tensor 'a' is in x-1.safetensors and in x-2.safetensors");
}

TEST_F(SafetensorsDirectory, AnIndexStaysInItsDirectory) {
  WriteTwoShards();
  for (const char* name : {"../x-1.safetensors", "/etc/passwd", ".", "..", "x-1.bin",
                           "x-1.safetensors\\u0000.safetensors"}) {
    ExpectIndexFault(R"("a":")" + std::string(name) + "\"", "not a .safetensors file of this");
  }
}

TEST_F(SafetensorsDirectory, FaultsNameTheFile) {
  const auto none = OpenSafetensors(folder_.path());
  EXPECT_EQ(none.status().code(), Code::kNotFound);
  EXPECT_THAT(none.status().message(), HasSubstr(folder_.Sub("model.safetensors")));
  Write("model.safetensors", "not a model at all");
  EXPECT_THAT(OpenSafetensors(folder_.path()).status().message(),
              HasSubstr(folder_.Sub("model.safetensors") + ": "));
  EXPECT_THAT(OpenIndexed("{\"weight_map\":").status().message(),
              HasSubstr("model.safetensors.index.json: at byte"));
}

}  // namespace
}  // namespace promptcache::testing

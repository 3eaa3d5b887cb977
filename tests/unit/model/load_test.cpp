// What a model file may hold, and what is said of one that holds something else.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "tests/unit/cachestore/temp_dir.h"
#include "tests/unit/model/llama_reference.h"
#include "tests/unit/model/tiny_llama.h"
#include "worker/model/dequantize.h"

namespace promptcache {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TinyLlama;

class LoadTest : public ::testing::Test {
 protected:
  Result<LoadedModel> Load(const std::vector<uint8_t>& bytes, const std::string& device = "cpu") {
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return LoadModel(path_, {.dtype = ComputeDtype::kFp32, .device = device, .threads = 1});
  }

  // The file is refused with this code; the message names the file.
  std::string Refused(const TinyLlama& llama, Code code) {
    const Status status = Load(llama.Build()).status();
    EXPECT_EQ(status.code(), code) << status.ToString();
    EXPECT_THAT(status.message(), HasSubstr(path_));
    return status.message();
  }

  TinyLlama llama_ = TinyLlama::Random();
  const testing::TempDir directory_;
  const std::string path_ = directory_.Sub("model.gguf");
};

TEST_F(LoadTest, TellsShapeNameAndIdentity) {
  const auto loaded = Load(llama_.Build());
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  const ModelShape& shape = loaded->model->shape();
  EXPECT_EQ(shape.layers, 3);
  EXPECT_EQ(shape.kv_heads, 2);
  EXPECT_EQ(shape.head_dim, 16);
  EXPECT_EQ(shape.vocabulary, 260);
  EXPECT_EQ(shape.context_length, testing::kTinyContext);
  EXPECT_EQ(shape.kv_bytes_per_token(4), 2 * 3 * 2 * 16 * 4);
  EXPECT_EQ(loaded->name, "tiny");
  EXPECT_EQ(loaded->identity.positions, "rope theta=10000 dim=16 scaling=none layout=half");
  EXPECT_EQ(loaded->identity.dtype, "fp32");
  EXPECT_EQ(loaded->identity.kv_layout, "lkhtd-v1");
  EXPECT_EQ(loaded->identity.weights.size(), 64u);
}

TEST_F(LoadTest, IdentityFollowsEveryByteOfTheFile) {
  const std::string before = Load(llama_.Build()).value().identity.weights;
  float& weight = llama_.tensors["blk.1.attn_v.weight"].values[5];
  weight = std::nextafter(weight, 10.0f);
  EXPECT_NE(Load(llama_.Build()).value().identity.weights, before);
}

TEST_F(LoadTest, NameFallsBackToTheFile) {
  llama_.strings.erase("general.name");
  EXPECT_EQ(Load(llama_.Build()).value().name, "model");
}

TEST_F(LoadTest, LinearRopeScalingEqualsTheReference) {
  llama_.strings["llama.rope.scaling.type"] = "linear";
  llama_.floats["llama.rope.scaling.factor"] = 4;
  const auto loaded = Load(llama_.Build());
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  EXPECT_THAT(loaded->identity.positions, HasSubstr("scaling=linear:4"));
  // Positions 0, 4, 8, ... scaled by four are 0, 1, 2, ...
  const std::vector<TokenId> ids = testing::RandomIds(20, 3);
  Tokens plain, scaled;
  for (Position i = 0; i < 20; ++i) {
    plain.Append(ids[i], i);
    scaled.Append(ids[i], 4 * i);
  }
  KvBuffer own(loaded->model->shape(), loaded->model->kv_options(), 20);
  SequenceStep step{.ids = scaled.ids, .positions = scaled.positions, .own = &own};
  const auto logits = loaded->model->Forward({&step, 1});
  ASSERT_TRUE(logits.ok());
  EXPECT_LE(testing::RelativeDifference({logits->const_data_ptr<float>(), 260},
                                        testing::ReferenceLogits(llama_, plain)),
            1e-5);
}

TEST_F(LoadTest, OutputMayBeTiedToTheEmbedding) {
  llama_.tensors.erase("output.weight");
  const auto loaded = Load(llama_.Build());
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  llama_.tensors["output.weight"] = llama_.tensors["token_embd.weight"];
  KvBuffer own(loaded->model->shape(), loaded->model->kv_options(), 1);
  const Tokens one{{65}, {0}};
  SequenceStep step{.ids = one.ids, .positions = one.positions, .own = &own};
  const auto logits = loaded->model->Forward({&step, 1});
  ASSERT_TRUE(logits.ok());
  EXPECT_LE(testing::RelativeDifference({logits->const_data_ptr<float>(), 260},
                                        testing::ReferenceLogits(llama_, one)),
            1e-5);
}

// ---- files that are refused ----

TEST_F(LoadTest, MissingFile) {
  const Status status = LoadModel(directory_.Sub("none.gguf"), {}).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr("none.gguf"));
}

TEST_F(LoadTest, ThreadsThatNoProcessCanHave) {
  for (const int threads : {-1, 1025}) {
    const Status status = LoadModel(testing::TinyLlamaPath(), {.threads = threads}).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr(std::to_string(threads) + " threads"));
  }
}

TEST_F(LoadTest, UnknownArchitecture) {
  llama_.strings["general.architecture"] = "mamba";
  EXPECT_THAT(Refused(llama_, Code::kUnimplemented),
              AllOf(HasSubstr("'mamba'"), HasSubstr("supported: llama, qwen2, falcon, mpt")));
  llama_.strings.erase("general.architecture");
  const Status status = Load(llama_.Build()).status();
  EXPECT_THAT(status.message(), AllOf(HasSubstr(path_), HasSubstr("general.architecture")));
}

TEST_F(LoadTest, MissingOrImpossibleMetadata) {
  struct Case {
    const char* key;
    uint32_t value;
    const char* says;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"llama.block_count", 0, "must be 1 to 1024"},
           {"llama.block_count", 4'000'000'000, "must be 1 to 1024"},
           {"llama.embedding_length", 0, "must be 1 to"},
           {"llama.feed_forward_length", 0xffffffff, "must be 1 to"},
           {"llama.attention.head_count", 5, "do not fit together"},
           {"llama.attention.head_count_kv", 3, "do not fit together"},
           {"llama.attention.key_length", 15, "15 rotated dimensions"},
           {"llama.attention.key_length", 1, "do not fit together"},
           {"llama.attention.value_length", 32, "differs from the key length"},
           {"llama.rope.dimension_count", 18, "18 dimensions turn of heads that have 16"},
           {"llama.vocab_size", 261, "shape"}}) {
    TinyLlama llama = llama_;
    llama.numbers[c.key] = c.value;
    const Status status = Load(llama.Build()).status();
    EXPECT_FALSE(status.ok()) << c.key;
    EXPECT_THAT(status.message(), AllOf(HasSubstr(path_), HasSubstr(c.says))) << c.key;
  }
  for (const char* key : {"llama.block_count", "llama.embedding_length", "llama.context_length",
                          "llama.feed_forward_length", "llama.attention.head_count"}) {
    TinyLlama llama = llama_;
    llama.numbers.erase(key);
    const Status status = Load(llama.Build()).status();
    EXPECT_THAT(status.message(), AllOf(HasSubstr(path_), HasSubstr(key)));
  }
}

TEST_F(LoadTest, NumbersThatAreNoNumbers) {
  for (const float bad : {0.0f, -1.0f, std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity()}) {
    TinyLlama llama = llama_;
    llama.floats["llama.attention.layer_norm_rms_epsilon"] = bad;
    EXPECT_THAT(Refused(llama, Code::kInvalidArgument), HasSubstr("rms_epsilon"));
    llama = llama_;
    llama.floats["llama.rope.freq_base"] = bad;
    EXPECT_THAT(Refused(llama, Code::kInvalidArgument), HasSubstr("freq_base"));
  }
}

TEST_F(LoadTest, RopeScalingThatIsNotImplemented) {
  llama_.strings["llama.rope.scaling.type"] = "longrope";
  EXPECT_THAT(Refused(llama_, Code::kUnimplemented),
              AllOf(HasSubstr("'longrope'"), HasSubstr("llama3 are supported")));
}

TEST_F(LoadTest, MissingTensor) {
  llama_.tensors.erase("blk.2.ffn_up.weight");
  EXPECT_THAT(Refused(llama_, Code::kInvalidArgument), HasSubstr("'blk.2.ffn_up.weight'"));
  llama_ = TinyLlama::Random();
  llama_.tensors.erase("token_embd.weight");
  EXPECT_THAT(Refused(llama_, Code::kInvalidArgument), HasSubstr("token_embd.weight"));
}

TEST_F(LoadTest, TensorOfAnotherShape) {
  TinyLlama::Tensor& tensor = llama_.tensors["blk.0.attn_k.weight"];
  std::swap(tensor.dims[0], tensor.dims[1]);
  EXPECT_THAT(Refused(llama_, Code::kInvalidArgument),
              AllOf(HasSubstr("attn_k"), HasSubstr("[64, 32]"), HasSubstr("[32, 64]")));
}

TEST_F(LoadTest, TensorThatNobodyUses) {
  llama_.tensors["blk.1.attn_q.bias"] = {.dims = {64}, .values = std::vector<float>(64)};
  EXPECT_THAT(Refused(llama_, Code::kUnimplemented), HasSubstr("attn_q.bias"));
}

TEST_F(LoadTest, WeightsThatAreNotFinite) {
  llama_.tensors["blk.1.ffn_down.weight"].values[17] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(Refused(llama_, Code::kDataLoss), HasSubstr("blk.1.ffn_down.weight"));
}

TEST_F(LoadTest, TensorTypeThatIsNotRead) {
  llama_.tensors["output.weight"].type = static_cast<GgufTensorType>(39);
  const Status status = Load(llama_.Build()).status();
  EXPECT_THAT(status.message(), AllOf(HasSubstr("output.weight"), HasSubstr("type 39")));
}

TEST_F(LoadTest, FileCutAnywhereIsRefused) {
  const std::vector<uint8_t> whole = llama_.Build();
  for (size_t i = 0; i < 64; ++i) {
    const size_t length = i < 32 ? i * 3 : whole.size() * i / 64;
    const std::vector<uint8_t> part(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
    const Status status = Load(part).status();
    EXPECT_FALSE(status.ok()) << length;
    EXPECT_THAT(status.message(), HasSubstr(path_)) << length;
  }
}

// ---- devices ----

TEST_F(LoadTest, DeviceThatIsNotThere) {
  const Status status = Load(llama_.Build(), "cuda:0").status();
  if (status.ok()) GTEST_SKIP() << "this machine has a GPU";
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("cuda:0"), HasSubstr("device cpu")));
}

TEST_F(LoadTest, DeviceThatIsNoDevice) {
  for (const char* device :
       {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda:999999999"}) {
    const Status status = Load(llama_.Build(), device).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << device;
    EXPECT_THAT(status.message(), HasSubstr("expected cpu or cuda:N")) << device;
  }
}

// ---- numbers, by hand ----

TEST(DequantizeTest, BlocksHoldWhatTheFormatSays) {
  // The scale is 0.5, the minimum of Q4_1 -2.
  std::vector<uint8_t> nibbles(16), bytes(32);
  std::vector<float> q4_0(32), q4_1(32), q8_0(32);
  for (int i = 0; i < 16; ++i) {
    nibbles[i] = static_cast<uint8_t>(i | (15 - i) << 4);
    q4_0[i] = 0.5f * static_cast<float>(i - 8);
    q4_0[16 + i] = 0.5f * static_cast<float>(15 - i - 8);
    q4_1[i] = 0.5f * static_cast<float>(i) - 2;
    q4_1[16 + i] = 0.5f * static_cast<float>(15 - i) - 2;
  }
  for (int i = 0; i < 32; ++i) {
    bytes[i] = static_cast<uint8_t>(8 * i - 128);
    q8_0[i] = 0.5f * static_cast<float>(8 * i - 128);
  }
  const auto check = [](GgufTensorType type, std::vector<uint8_t> head,
                        const std::vector<uint8_t>& rest, const std::vector<float>& expected) {
    head.insert(head.end(), rest.begin(), rest.end());
    const auto out =
        Dequantize({.name = "t", .type = type, .sizes = {32}, .bytes = head}, at::kFloat);
    ASSERT_TRUE(out.ok()) << out.status().ToString();
    const float* data = out->const_data_ptr<float>();
    EXPECT_EQ(std::vector<float>(data, data + 32), expected) << GgufTypeName(type);
  };
  check(GgufTensorType::kQ4_0, {0x00, 0x38}, nibbles, q4_0);
  check(GgufTensorType::kQ4_1, {0x00, 0x38, 0x00, 0xc0}, nibbles, q4_1);
  check(GgufTensorType::kQ8_0, {0x00, 0x38}, bytes, q8_0);
}

TEST(DequantizeTest, HalvesAndBfloatsBecomeTheirValue) {
  const std::vector<uint8_t> half = {0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00};  // 1, -2, smallest
  auto out = Dequantize({.name = "t", .type = GgufTensorType::kF16, .sizes = {3}, .bytes = half},
                        at::kFloat);
  ASSERT_TRUE(out.ok());
  EXPECT_EQ(out->const_data_ptr<float>()[0], 1.0f);
  EXPECT_EQ(out->const_data_ptr<float>()[1], -2.0f);
  EXPECT_EQ(out->const_data_ptr<float>()[2], std::ldexp(1.0f, -24));
  const std::vector<uint8_t> bfloat = {0x80, 0x3f, 0x00, 0xc0};  // 1, -2
  out = Dequantize({.name = "t", .type = GgufTensorType::kBF16, .sizes = {2}, .bytes = bfloat},
                   at::kFloat);
  ASSERT_TRUE(out.ok());
  EXPECT_EQ(out->const_data_ptr<float>()[0], 1.0f);
  EXPECT_EQ(out->const_data_ptr<float>()[1], -2.0f);
}

TEST(DequantizeTest, RefusesBytesThatDoNotHoldTheTensor) {
  const std::vector<uint8_t> bytes(35);
  for (const size_t length : {0u, 33u, 35u}) {
    const auto out = Dequantize({.name = "t",
                                 .type = GgufTensorType::kQ8_0,
                                 .sizes = {32},
                                 .bytes = std::span(bytes).first(length)},
                                at::kFloat);
    EXPECT_EQ(out.status().code(), Code::kInvalidArgument) << length;
  }
}

}  // namespace
}  // namespace promptcache

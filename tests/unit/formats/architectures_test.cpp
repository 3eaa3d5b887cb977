#include "common/formats/architectures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/formats/mutate.h"

namespace promptcache {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kLlama =
    R"({"model_type":"mistral","hidden_size":64,"num_hidden_layers":2,"num_attention_heads":4,
        "num_key_value_heads":2,"intermediate_size":96,"vocab_size":100,
        "max_position_embeddings":4096,"rms_norm_eps":1e-5)";
constexpr const char* kFalcon =
    R"({"model_type":"falcon","hidden_size":64,"num_hidden_layers":2,"num_attention_heads":4,
        "vocab_size":100)";
constexpr const char* kMpt =
    R"({"model_type":"mpt","d_model":64,"n_layers":2,"n_heads":4,"vocab_size":100,"max_seq_len":512)";

Result<ModelConfig> Read(const std::string& json) {
  PC_ASSIGN_OR_RETURN(const JsonConfig reader, JsonConfig::Parse(json, "config.json"));
  PC_ASSIGN_OR_RETURN(JsonModel model, ReadJsonModel(reader));
  return std::move(model.config);
}

// `more` follows the members of `base`.
ModelConfig Config(const char* base, const std::string& more = "") {
  return Read(base + more + "}").value();
}
Status Fault(const char* base, const std::string& more) { return Read(base + more + "}").status(); }

TEST(Architectures, AModelThatIsNotSupportedIsNamedWithWhatIs) {
  const Status status = Read(R"({"model_type":"bert"})").status();
  EXPECT_EQ(status.code(), Code::kUnimplemented);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("config.json"), HasSubstr("'bert'"),
                    HasSubstr("llama, mistral, qwen2"), HasSubstr("falcon"), HasSubstr("mpt")));
  EXPECT_THAT(Read("{}").status().message(), HasSubstr("model_type"));
}

TEST(Architectures, ASlidingWindowLimitsTheContext) {
  EXPECT_EQ(Config(kLlama).shape.context_length, 4096);
  EXPECT_EQ(Config(kLlama, R"(,"sliding_window":1000)").shape.context_length, 1000);
  EXPECT_EQ(
      Config(kLlama, R"(,"sliding_window":1000,"use_sliding_window":false)").shape.context_length,
      4096);
}

TEST(Architectures, ARegimeOfAnglesLimitsTheContext) {
  const ModelConfig config = Config(
      kLlama,
      R"(,"rope_scaling":{"type":"dynamic","factor":4,"original_max_position_embeddings":512})");
  EXPECT_EQ(config.shape.context_length, 512);
  EXPECT_THAT(config.positions.text, HasSubstr("dynamic"));
}

TEST(Architectures, RotarySettingsAreReadFromOldAndNewFiles) {
  const ModelConfig old_form =
      Config(kLlama, R"(,"rope_theta":5000,"rope_scaling":{"rope_type":"linear","factor":2})");
  const ModelConfig new_form =
      Config(kLlama, R"(,"rope_parameters":{"rope_theta":5000,"rope_type":"linear","factor":2})");
  EXPECT_EQ(old_form.positions.text, new_form.positions.text);
  EXPECT_THAT(Fault(kLlama, R"(,"rope_scaling":{"rope_type":"longrope","factor":2})").message(),
              AllOf(HasSubstr("rope_scaling"), HasSubstr("longrope"), HasSubstr("yarn")));
}

TEST(Architectures, FalconAddsUpInThreeWays) {
  EXPECT_EQ(Config(kFalcon).residual, Residual::kParallel);
  EXPECT_EQ(Config(kFalcon).shape.kv_heads, 1);
  const ModelConfig large = Config(kFalcon, R"(,"new_decoder_architecture":true,"num_kv_heads":2)");
  EXPECT_EQ(large.residual, Residual::kParallelTwoNorms);
  EXPECT_EQ(large.shape.kv_heads, 2);
  const ModelConfig rw =
      Config(kFalcon, R"(,"alibi":true,"multi_query":false,"parallel_attn":false,"bias":true)");
  EXPECT_EQ(rw.residual, Residual::kSequential);
  EXPECT_EQ(rw.shape.kv_heads, 4);
  EXPECT_TRUE(rw.qkv_bias && rw.norm_bias);
  EXPECT_EQ(rw.positions.slopes.size(), 4u);
  EXPECT_TRUE(rw.positions.frequencies.empty());
}

TEST(Architectures, WhatMptCanBeAndWeCannotIsRefused) {
  for (const char* option :
       {R"("attn_config":{"alibi":false})", R"("attn_config":{"prefix_lm":true})",
        R"("attn_config":{"qk_gn":true})", R"("attn_config":{"sliding_window_size":128})",
        R"("attn_config":{"attn_type":"other"})", R"("norm_type":"rmsnorm")",
        R"("ffn_config":{"ffn_type":"mptglu"})", R"("logit_scale":"other")"}) {
    const Status status = Fault(kMpt, std::string(",") + option);
    EXPECT_EQ(status.code(), Code::kUnimplemented) << option << ": " << status.ToString();
  }
}

TEST(Architectures, NumbersOutOfRangeAreNamed) {
  EXPECT_THAT(Fault(kLlama, R"(,"head_dim":100000)").message(), HasSubstr("'head_dim' is 100000"));
  EXPECT_THAT(Fault(kLlama, R"(,"head_dim":"16")").message(), HasSubstr("'head_dim'"));
  EXPECT_THAT(
      Read(R"({"model_type":"llama","hidden_size":-1,"num_hidden_layers":2})").status().message(),
      HasSubstr("'hidden_size' is -1"));
  EXPECT_THAT(
      Fault(kMpt, R"(,"attn_config":{"attn_type":"grouped_query_attention","kv_n_heads":3})")
          .message(),
      HasSubstr("do not fit together"));
  for (const char* limit : {"-8", "1e300"}) {
    EXPECT_THAT(Fault(kMpt, std::string(R"(,"attn_config":{"clip_qkv":)") + limit + "}").message(),
                HasSubstr("'clip_qkv' is no limit"));
  }
  for (const char* ratio : {"1e-9", "1e9"}) {
    EXPECT_THAT(Fault(kMpt, std::string(R"(,"expansion_ratio":)") + ratio).message(),
                HasSubstr("'expansion_ratio' makes no width from 1 to"));
  }
}

TEST(Architectures, TensorsGetTheNamesOfGguf) {
  EXPECT_EQ(CanonicalName(kLlamaArchitecture, "model.layers.13.self_attn.q_proj.weight"),
            "blk.13.attn_q.weight");
  EXPECT_EQ(CanonicalName(kMptArchitecture, "transformer.wte.weight"), "token_embd.weight");
  EXPECT_EQ(CanonicalName(kLlamaArchitecture, "model.layers.0.self_attn.rotary_emb.inv_freq"),
            kIgnoredTensor);
  EXPECT_EQ(CanonicalName(kFalconArchitecture, "transformer.h.x.ln_attn.weight"),
            "transformer.h.x.ln_attn.weight");
}

TEST(Architectures, TenThousandDamagedConfigurationsAreErrorsOrHarmless) {
  size_t refused = 0;
  for (const char* base : {kLlama, kFalcon, kMpt}) {
    const std::string whole =
        std::string(base) + R"(,"rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":1,
          "high_freq_factor":4,"original_max_position_embeddings":64},"attn_config":{"qk_ln":true}})";
    const std::vector<uint8_t> bytes(whole.begin(), whole.end());
    for (uint64_t seed = 0; seed < 3334; ++seed) {
      const std::vector<uint8_t> damaged = testing::Mutate(bytes, bytes.size(), seed);
      const auto config = Read(std::string(damaged.begin(), damaged.end()));
      if (!config.ok()) {
        ++refused;
        continue;
      }
      EXPECT_GE(config->shape.kv_heads, 1);
      EXPECT_EQ(config->shape.heads % config->shape.kv_heads, 0);
      EXPECT_LE(config->positions.rotary_dim(), config->shape.head_dim);
    }
  }
  EXPECT_GT(refused, 5000u);
}

}  // namespace
}  // namespace promptcache

#include "common/formats/model_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/cachestore/temp_dir.h"
#include "tests/unit/formats/safetensors_builder.h"

namespace promptcache::testing {
namespace {

class ModelIdentity : public ::testing::Test {
 protected:
  void WriteWeights(uint8_t weight) const {
    const std::vector<uint8_t> tensor = {0, 0, weight, 0};
    const auto bytes = SafetensorsBuilder().Tensor("x", "F32", {1}, tensor).Build();
    std::ofstream(folder_.Sub("model.safetensors"), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
  }
  void WriteConfig(const std::string& epsilon) const {
    std::ofstream(folder_.Sub("config.json"))
        << R"({"model_type":"llama","hidden_size":64,"num_hidden_layers":2,
               "num_attention_heads":4,"intermediate_size":96,"vocab_size":100,
               "max_position_embeddings":4096,"rms_norm_eps":)"
        << epsilon << "}";
  }
  Result<IdentityDigest> Ask() const {
    PC_ASSIGN_OR_RETURN(const auto checkpoint, Checkpoint::Open(folder_.path()));
    PC_ASSIGN_OR_RETURN(const Identity identity, IdentityOfModel(*checkpoint, "fp32"));
    return identity.Digest();
  }

  TempDir folder_;
};

TEST_F(ModelIdentity, OfADirectoryFollowsWeightsAndConfiguration) {
  WriteWeights(1);
  WriteConfig("1e-5");
  const auto first = Ask();
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  EXPECT_EQ(*Ask(), *first);
  WriteConfig("1e-6");
  EXPECT_NE(*Ask(), *first);
  WriteConfig("1e-5");
  EXPECT_EQ(*Ask(), *first);
  WriteWeights(2);
  EXPECT_NE(*Ask(), *first);
}

}  // namespace
}  // namespace promptcache::testing

// A Llama with random weights, small enough to be written and loaded within a test.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/text/tokenizer.h"
#include "tests/unit/formats/gguf_builder.h"
#include "worker/model/model.h"

namespace promptcache::testing {

// What the file will say; a test may change any of it before it is built.
struct TinyLlama {
  struct Tensor {
    GgufTensorType type = GgufTensorType::kF32;
    std::vector<uint64_t> dims;  // fastest first
    std::vector<float> values;
    std::vector<uint8_t> bytes;  // written in place of `values` unless empty
  };

  // 3 layers, 4 query heads on 2 key heads of 16 dimensions, untied output; the tokenizer has a
  // token for each byte (ids 0 to 255) and the four of kTinySpecials, which are never the
  // likeliest.
  static TinyLlama Random(uint64_t seed = 1);

  std::vector<uint8_t> Build() const;

  uint32_t layers = 3;
  uint32_t heads = 4;
  uint32_t kv_heads = 2;
  uint32_t head_dim = 16;
  uint32_t hidden = 64;
  uint32_t feed_forward = 96;
  uint32_t vocabulary = 260;
  double rope_base = 10000;
  double epsilon = 1e-5;

  std::map<std::string, uint32_t> numbers;
  std::map<std::string, float> floats;
  std::map<std::string, std::string> strings;
  std::map<std::string, Tensor> tensors;
};

inline constexpr const char* kTinySpecials[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>",
                                                "<unk>"};
inline constexpr int64_t kTinyContext = 4096;

// The file of TinyLlama::Random(), written once; removed when the process ends.
const std::string& TinyLlamaPath();
// Aborts when it does not load.
LoadedModel LoadTinyLlama(ComputeDtype dtype = ComputeDtype::kFp32);
std::unique_ptr<Tokenizer> LoadTinyTokenizer();
// `count` ids of bytes, a function of the seed.
std::vector<TokenId> RandomIds(size_t count, uint64_t seed);

}  // namespace promptcache::testing

#include "tests/unit/model/tiny_llama.h"

#include <cmath>
#include <cstring>
#include <fstream>

#include "common/formats/gguf.h"
#include "common/rng.h"
#include "common/text/bpe_alphabet.h"
#include "common/text/load_tokenizer.h"
#include "tests/fakes/test_env.h"
#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache::testing {
namespace {

constexpr uint32_t kBytes = 256;

// Fills tensors from one stream each, so that a tensor's values depend on its name's turn only.
class Filler {
 public:
  Filler(TinyLlama& llama, uint64_t seed) : llama_(llama), seed_(seed) {}

  void Matrix(const std::string& name, uint64_t out, uint64_t in, double gain) {
    const double spread = gain * std::sqrt(3.0 / static_cast<double>(in));
    Fill(name, {in, out}, 0, spread);
  }
  void Norm(const std::string& name, uint64_t size) { Fill(name, {size}, 1, 0.2); }

 private:
  void Fill(const std::string& name, std::vector<uint64_t> dims, double middle, double spread) {
    TinyLlama::Tensor tensor{.dims = std::move(dims)};
    uint64_t count = 1;
    for (const uint64_t dim : tensor.dims) count *= dim;
    ++stream_;
    for (uint64_t i = 0; i < count; ++i) {
      const double uniform = UniformAt(seed_, stream_, static_cast<uint32_t>(i));
      tensor.values.push_back(static_cast<float>(middle + spread * (2 * uniform - 1)));
    }
    llama_.tensors[name] = std::move(tensor);
  }

  TinyLlama& llama_;
  const uint64_t seed_;
  uint32_t stream_ = 0;
};

std::vector<std::string> TokenTexts() {
  std::vector<std::string> texts;
  for (uint32_t byte = 0; byte < kBytes; ++byte) {
    texts.push_back(BytesToAlphabet(std::string(1, static_cast<char>(byte))));
  }
  texts.insert(texts.end(), std::begin(kTinySpecials), std::end(kTinySpecials));
  return texts;
}

void AddTokenizer(GgufBuilder& builder) {
  constexpr int32_t kNormal = 1, kControl = 3;
  std::vector<int32_t> types(kBytes, kNormal);
  types.insert(types.end(), std::size(kTinySpecials), kControl);
  builder.String("tokenizer.ggml.model", "gpt2")
      .String("tokenizer.ggml.pre", "smollm")
      .Strings("tokenizer.ggml.tokens", TokenTexts())
      .I32s("tokenizer.ggml.token_type", types)
      .Strings("tokenizer.ggml.merges", {})
      .U32("tokenizer.ggml.eos_token_id", kBytes)
      .U32("tokenizer.ggml.unknown_token_id", kBytes + 3);
}

std::vector<uint8_t> BytesOf(const TinyLlama::Tensor& tensor) {
  if (!tensor.bytes.empty()) return tensor.bytes;
  std::vector<uint8_t> bytes(tensor.values.size() * sizeof(float));
  std::memcpy(bytes.data(), tensor.values.data(), bytes.size());
  return bytes;
}

}  // namespace

TinyLlama TinyLlama::Random(uint64_t seed) {
  TinyLlama llama;
  llama.numbers = {{"llama.block_count", llama.layers},
                   {"llama.embedding_length", llama.hidden},
                   {"llama.feed_forward_length", llama.feed_forward},
                   {"llama.context_length", static_cast<uint32_t>(kTinyContext)},
                   {"llama.attention.head_count", llama.heads},
                   {"llama.attention.head_count_kv", llama.kv_heads}};
  llama.floats = {{"llama.rope.freq_base", static_cast<float>(llama.rope_base)},
                  {"llama.attention.layer_norm_rms_epsilon", static_cast<float>(llama.epsilon)}};
  llama.strings = {{"general.architecture", "llama"}, {"general.name", "tiny"}};
  Filler fill(llama, seed);
  const uint64_t q = llama.heads * llama.head_dim, kv = llama.kv_heads * llama.head_dim;
  fill.Matrix("token_embd.weight", llama.vocabulary, llama.hidden, 8);
  fill.Matrix("output.weight", llama.vocabulary, llama.hidden, 4);
  fill.Norm("output_norm.weight", llama.hidden);
  for (uint32_t i = 0; i < llama.layers; ++i) {
    const std::string prefix = "blk." + std::to_string(i) + ".";
    fill.Norm(prefix + "attn_norm.weight", llama.hidden);
    fill.Norm(prefix + "ffn_norm.weight", llama.hidden);
    fill.Matrix(prefix + "attn_q.weight", q, llama.hidden, 1.5);
    fill.Matrix(prefix + "attn_k.weight", kv, llama.hidden, 1.5);
    fill.Matrix(prefix + "attn_v.weight", kv, llama.hidden, 1.5);
    fill.Matrix(prefix + "attn_output.weight", llama.hidden, q, 1.5);
    fill.Matrix(prefix + "ffn_gate.weight", llama.feed_forward, llama.hidden, 1);
    fill.Matrix(prefix + "ffn_up.weight", llama.feed_forward, llama.hidden, 1);
    fill.Matrix(prefix + "ffn_down.weight", llama.hidden, llama.feed_forward, 1);
  }
  std::vector<float>& head = llama.tensors["output.weight"].values;
  std::fill(head.begin() + kBytes * llama.hidden, head.end(), 0.0f);
  return llama;
}

std::vector<uint8_t> TinyLlama::Build() const {
  GgufBuilder builder;
  for (const auto& [key, value] : strings) builder.String(key, value);
  for (const auto& [key, value] : numbers) builder.U32(key, value);
  for (const auto& [key, value] : floats) builder.F32(key, value);
  AddTokenizer(builder);
  for (const auto& [name, tensor] : tensors) {
    builder.Tensor(name, tensor.type, tensor.dims, BytesOf(tensor));
  }
  return builder.Build();
}

const std::string& TinyLlamaPath() {
  static const TempDir directory;
  static const std::string path = [] {
    const std::string file = directory.Sub("tiny.gguf");
    const std::vector<uint8_t> bytes = TinyLlama::Random().Build();
    std::ofstream(file, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return file;
  }();
  return path;
}

LoadedModel LoadTinyLlama(ComputeDtype dtype) {
  LoadedModel loaded =
      LoadModel(TinyLlamaPath(), {.dtype = dtype, .device = TestDevice(), .threads = 2}).value();
  loaded.identity.tokenizer = LoadTinyTokenizer()->digest().ToHex();
  return loaded;
}

std::unique_ptr<Tokenizer> LoadTinyTokenizer() {
  return LoadTokenizer(*GgufFile::Open(TinyLlamaPath()).value()).value();
}

std::vector<TokenId> RandomIds(size_t count, uint64_t seed) {
  std::vector<TokenId> ids;
  for (size_t i = 0; i < count; ++i) {
    ids.push_back(static_cast<TokenId>(UniformAt(seed, 0, static_cast<uint32_t>(i)) * kBytes));
  }
  return ids;
}

}  // namespace promptcache::testing

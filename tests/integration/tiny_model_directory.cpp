#include "tests/integration/tiny_model_directory.h"

#include <fstream>
#include <nlohmann/json.hpp>

namespace promptcache::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json AsciiTokenizer() {
  json special = {{"single_word", false}, {"lstrip", false}, {"rstrip", false}, {"special", true},
                  {"normalized", false},  {"id", 0},         {"content", "<s>"}};
  json end = special;
  end["id"] = 1, end["content"] = "</s>";
  json vocabulary = {{"<s>", 0}, {"</s>", 1}, {"\u0120", 96}};  // U+0120 stands for a space
  for (int i = 0; i < 94; ++i) vocabulary[std::string(1, static_cast<char>('!' + i))] = i + 2;
  return {
      {"added_tokens", {special, end}},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
      {"post_processor", nullptr},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", json::array()}}}};
}

}  // namespace

void WriteTinyModel(const std::string& family, const fs::path& directory) {
  const fs::path golden = fs::path(PROMPTCACHE_GOLDEN_DIR) / "tiny" / family;
  for (const char* name : {"config.json", "model.safetensors"}) {
    fs::copy_file(golden / name, directory / name);
  }
  std::ofstream(directory / "tokenizer.json") << AsciiTokenizer().dump();
  std::ofstream(directory / "tokenizer_config.json")
      << R"({"tokenizer_class": "GPT2Tokenizer", "eos_token": "</s>"})";
}

}  // namespace promptcache::testing

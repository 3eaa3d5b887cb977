#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tools/bench/tokenizer_bench.h"
#include "tools/bench/words.h"

namespace promptcache {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kTexts = 200;
constexpr size_t kTextBytes = 10'000;

Status AppendContexts(const fs::path& path, std::vector<std::string>& texts) {
  std::ifstream file(path, std::ios::binary);
  size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    const auto row = nlohmann::json::parse(line, nullptr, false);
    const auto context = row.is_object() ? row.find("context") : row.end();
    if (context == row.end() || !context->is_string()) {
      return InvalidArgument(path.string() + ":" + std::to_string(number) +
                             ": no object with a text `context`");
    }
    texts.push_back(context->get<std::string>());
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> ReadContexts(const std::string& directory) {
  std::error_code error;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (entry.path().extension() == ".jsonl") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> texts;
  for (const fs::path& file : files) PC_RETURN_IF_ERROR(AppendContexts(file, texts));
  if (texts.empty()) return NotFound(directory + ": no texts: no *.jsonl file with lines");
  return texts;
}

std::vector<std::string> MakeContexts() {
  std::vector<std::string> texts(kTexts);
  for (uint32_t i = 0; i < kTexts; ++i) {
    for (uint32_t word = 0; texts[i].size() < kTextBytes; ++word) {
      texts[i] += (word == 0 ? "" : " ") + BenchWord(i, word);
    }
  }
  return texts;
}

}  // namespace promptcache

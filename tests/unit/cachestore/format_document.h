// The files that fix the formats: cachestore/FORMAT.md and tests/golden.
#pragma once

#include <cstdint>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace promptcache::testing {

inline std::vector<uint8_t> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// "blob/v1-sample.pckv"
inline std::vector<uint8_t> ReadGolden(const std::string& name) {
  return ReadFile(std::string(PROMPTCACHE_SOURCE_DIR) + "/tests/golden/" + name);
}

// `size` bytes that are zero but for what the lines "offset: bytes" of the first ```hex below
// `heading` say. Empty when there is none or it goes beyond the end.
inline std::vector<uint8_t> DocumentedBytes(const std::string& heading, size_t size) {
  std::ifstream in(std::string(PROMPTCACHE_SOURCE_DIR) + "/cachestore/FORMAT.md");
  std::vector<uint8_t> bytes(size);
  std::string line;
  while (std::getline(in, line) && line != heading) {
  }
  while (std::getline(in, line) && line != "```hex") {
  }
  while (std::getline(in, line) && line != "```") {
    const size_t colon = line.find(':');
    size_t at = std::stoul(line.substr(0, colon), nullptr, 16);
    std::istringstream hex(line.substr(colon + 1, 3 * 16));
    for (std::string byte; hex >> byte; ++at) {
      if (at >= size) return {};
      bytes[at] = static_cast<uint8_t>(std::stoi(byte, nullptr, 16));
    }
  }
  return line == "```" ? bytes : std::vector<uint8_t>();
}

}  // namespace promptcache::testing

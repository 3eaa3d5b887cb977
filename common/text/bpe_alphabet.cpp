#include "common/text/bpe_alphabet.h"

#include <array>
#include <unordered_map>

namespace promptcache {
namespace {

// GPT-2's table: printable Latin-1 characters stand for themselves, every other byte, in order, for
// the characters from U+0100 on.
struct Alphabet {
  std::array<char32_t, 256> character{};
  std::unordered_map<char32_t, char> byte;

  Alphabet() {
    char32_t next = 0x100;
    for (int b = 0; b < 256; ++b) {
      const bool itself = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      character[b] = itself ? static_cast<char32_t>(b) : next++;
      byte.emplace(character[b], static_cast<char>(b));
    }
  }
};

const Alphabet& TheAlphabet() {
  static const Alphabet alphabet;
  return alphabet;
}

}  // namespace

std::optional<std::string> AlphabetToBytes(std::string_view written) {
  std::string bytes;
  for (size_t i = 0; i < written.size();) {
    // All characters of the alphabet lie below U+0800: one or two bytes of UTF-8.
    const auto first = static_cast<unsigned char>(written[i]);
    char32_t character = first;
    size_t length = 1;
    if (first >= 0x80) {
      if (first < 0xC2 || first > 0xDF || i + 1 >= written.size()) return std::nullopt;
      const auto second = static_cast<unsigned char>(written[i + 1]);
      if ((second & 0xC0) != 0x80) return std::nullopt;
      character = static_cast<char32_t>((first & 0x1F) << 6 | (second & 0x3F));
      length = 2;
    }
    const auto found = TheAlphabet().byte.find(character);
    if (found == TheAlphabet().byte.end()) return std::nullopt;
    bytes.push_back(found->second);
    i += length;
  }
  return bytes;
}

std::string BytesToAlphabet(std::string_view bytes) {
  std::string written;
  for (const char byte : bytes) {
    const char32_t c = TheAlphabet().character[static_cast<unsigned char>(byte)];
    if (c < 0x80) {
      written.push_back(static_cast<char>(c));
    } else {
      written.push_back(static_cast<char>(0xC0 | c >> 6));
      written.push_back(static_cast<char>(0x80 | (c & 0x3F)));
    }
  }
  return written;
}

}  // namespace promptcache

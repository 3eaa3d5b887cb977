#include "tests/unit/formats/mutate.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <string_view>

namespace promptcache::testing {
namespace {

constexpr uint64_t kNumbers[] = {0,          1,          31,         127,       128,
                                 255,        32767,      65536,      INT32_MAX, UINT32_MAX,
                                 1ull << 32, 1ull << 40, 1ull << 62, INT64_MAX, UINT64_MAX - 7,
                                 UINT64_MAX};
constexpr std::string_view kPieces[] = {"18446744073709551615",
                                        "-1",
                                        "1e309",
                                        "0.5",
                                        "4294967296",
                                        "null",
                                        "true",
                                        "\"",
                                        "{",
                                        "}",
                                        "[",
                                        "]",
                                        "\"\\u0000\"",
                                        ",",
                                        "\"x\":",
                                        "[[[[[[[["};

class Mutator {
 public:
  Mutator(std::span<const uint8_t> file, size_t header, uint64_t seed)
      : bytes_(file.begin(), file.end()), header_(header), random_(seed) {}

  void ChangeOnce() {
    if (header_ == 0) return;
    switch (Below(8)) {
      case 0:
        bytes_[Place()] ^= static_cast<uint8_t>(1 << Below(8));
        break;
      case 1:
        bytes_[Place()] = static_cast<uint8_t>(random_());
        break;
      case 2:
        WriteNumber(kNumbers[Below(std::size(kNumbers))]);
        break;
      case 3:
        Remove(Place(), 1 + Below(16));
        break;
      case 4:
        Repeat(Place(), 1 + Below(64));
        break;
      case 5:
        ReplaceDigits();
        break;
      case 6:
        Insert(Place(), kPieces[Below(std::size(kPieces))]);
        break;
      default:
        if (Below(4) == 0) Remove(Place(), bytes_.size());
        break;
    }
  }

  std::vector<uint8_t> Take() { return std::move(bytes_); }

 private:
  size_t Below(size_t limit) { return random_() % limit; }
  size_t Place() { return Below(header_); }

  void Insert(size_t at, std::string_view text) {
    bytes_.insert(bytes_.begin() + static_cast<ptrdiff_t>(at), text.begin(), text.end());
    header_ += text.size();
  }

  void Remove(size_t at, size_t count) {
    count = std::min(count, bytes_.size() - at);
    const auto first = bytes_.begin() + static_cast<ptrdiff_t>(at);
    bytes_.erase(first, first + static_cast<ptrdiff_t>(count));
    header_ = std::max(at, header_ - std::min(header_, count));
    header_ = std::min(header_, bytes_.size());
  }

  // A part of the header once more somewhere else in it.
  void Repeat(size_t from, size_t count) {
    count = std::min(count, header_ - from);
    const std::string part(bytes_.begin() + static_cast<ptrdiff_t>(from),
                           bytes_.begin() + static_cast<ptrdiff_t>(from + count));
    Insert(Place(), part);
  }

  void WriteNumber(uint64_t number) {
    const size_t at = Place();
    const size_t width = std::min<size_t>(Below(2) == 0 ? 4 : 8, bytes_.size() - at);
    std::memcpy(bytes_.data() + at, &number, width);
  }

  // The first number in decimal after some place becomes another.
  void ReplaceDigits() {
    const auto is_digit = [](uint8_t byte) { return byte >= '0' && byte <= '9'; };
    const auto end = bytes_.begin() + static_cast<ptrdiff_t>(header_);
    const auto first =
        std::find_if(bytes_.begin() + static_cast<ptrdiff_t>(Place()), end, is_digit);
    if (first == end) return;
    const auto last = std::find_if_not(first, end, is_digit);
    const size_t at = static_cast<size_t>(first - bytes_.begin());
    Remove(at, static_cast<size_t>(last - first));
    Insert(at, std::to_string(kNumbers[Below(std::size(kNumbers))]));
  }

  std::vector<uint8_t> bytes_;
  size_t header_;
  std::mt19937_64 random_;
};

}  // namespace

std::vector<uint8_t> Mutate(std::span<const uint8_t> file, size_t header, uint64_t seed) {
  Mutator mutator(file, header, seed);
  for (uint64_t i = 0; i <= seed % 4; ++i) mutator.ChangeOnce();
  return mutator.Take();
}

}  // namespace promptcache::testing

#include "tools/bench/words.h"

#include <iterator>

#include "common/rng.h"

namespace promptcache {
namespace {

constexpr const char* kWords[] = {
    "the",   "river",  "was",   "cold",  "and",    "people", "walked", "over",  "old",   "bridge",
    "with",  "their",  "books", "while", "music",  "played", "near",   "small", "house", "where",
    "light", "came",   "from",  "every", "window", "some",   "time",   "later", "they",  "found",
    "a",     "letter", "about", "how",   "water",  "moves",  "under",  "stone", "after", "rain"};

}  // namespace

std::string BenchWord(uint64_t seed, uint32_t index) {
  const double u = UniformAt(seed, 0, index);
  return kWords[static_cast<size_t>(u * static_cast<double>(std::size(kWords)))];
}

}  // namespace promptcache

// Where the units of a worker's requests came from.
#pragma once

#include <array>
#include <cstdint>

#include "common/types.h"

namespace promptcache {

// Of requests that have ended: a unit counts once for each that imported it. Not thread safe.
class ImportCounters {
 public:
  struct OfSource {
    uint64_t units = 0;
    uint64_t bytes = 0;
    double wait_s = 0;  // of requests, for these units
  };
  static constexpr std::array kSources = {Source::kDevice, Source::kHost, Source::kDisk,
                                          Source::kRemote, Source::kEncoded};

  void Add(const Usage& usage);
  const OfSource& of(Source source) const { return counts_[static_cast<size_t>(source)]; }

 private:
  std::array<OfSource, 1 + static_cast<size_t>(Source::kEncoded)> counts_{};
};

}  // namespace promptcache

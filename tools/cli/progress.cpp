#include "tools/cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "common/clock.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

constexpr uint64_t kWidth = 30;

}  // namespace

std::string ProgressLine(const std::string& what, uint64_t done, uint64_t total) {
  const double share = total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total);
  const auto full = static_cast<uint64_t>(share * kWidth);
  return fmt::format("{} [{}{}] {:3.0f} % of {}", what, std::string(full, '#'),
                     std::string(kWidth - full, '-'), 100 * share, FormatBytes(total));
}

std::function<void(uint64_t, uint64_t)> ProgressOnTerminal(std::string what) {
  if (::isatty(STDERR_FILENO) == 0) return nullptr;
  return [what = std::move(what), shown = std::string(), start = SystemClock().Now()](
             uint64_t done, uint64_t total) mutable {
    std::string line = ProgressLine(what, done, total);
    if (line == shown) return;
    const double seconds = MillisecondsBetween(start, SystemClock().Now()) / 1000;
    const auto rate = static_cast<uint64_t>(static_cast<double>(done) / std::max(seconds, 1e-3));
    fmt::print(stderr, "\r{}, {}/s \x1b[K{}", line, FormatBytes(rate), done == total ? "\n" : "");
    shown = std::move(line);
  };
}

}  // namespace promptcache

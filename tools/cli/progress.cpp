#include "tools/cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "common/clock.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

std::string Bar(const std::string& what, double share) {
  constexpr size_t kWidth = 30;
  const auto full = static_cast<size_t>(share * kWidth);
  return fmt::format("{} [{}{}] {:3.0f} %", what, std::string(full, '#'),
                     std::string(kWidth - full, '-'), 100 * share);
}

}  // namespace

std::string ProgressLine(const std::string& what, uint64_t done, uint64_t total) {
  const double share = total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total);
  return fmt::format("{} of {}", Bar(what, share), FormatBytes(total));
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

std::function<void(const std::string&, double)> BarOnTerminal() {
  if (::isatty(STDERR_FILENO) == 0) return nullptr;
  return [shown = std::string()](const std::string& what, double share) mutable {
    std::string line = Bar(what, share);
    if (line == shown) return;
    fmt::print(stderr, "\r{}\x1b[K{}", line, share >= 1 ? "\n" : "");
    shown = std::move(line);
  };
}

}  // namespace promptcache

#include "tools/bench/cpu_time.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace promptcache {
namespace {

// The columns of /proc/stat (proc(5)): user, nice, system, idle, iowait, irq, softirq, steal. Those
// behind them are in the first two already.
constexpr int kColumns = 8;
constexpr int kIdle = 3;
constexpr int kIoWait = 4;
constexpr int kSteal = 7;

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

std::optional<CpuTime> ParseMachineTime(std::string_view line) {
  std::istringstream words{std::string(line)};
  std::string name;
  if (!(words >> name) || name != "cpu") return std::nullopt;
  const auto ticks_per_s = static_cast<double>(::sysconf(_SC_CLK_TCK));
  CpuTime time;
  for (int i = 0; i < kColumns; ++i) {
    double ticks = 0;
    if (!(words >> ticks)) return std::nullopt;
    if (i != kIdle && i != kIoWait) time.wanted_s += ticks / ticks_per_s;
    if (i == kSteal) time.stolen_s = ticks / ticks_per_s;
  }
  return time;
}

CpuTime CpuTimeNow() {
  std::string line;
  std::getline(std::ifstream("/proc/stat"), line);
  CpuTime time = ParseMachineTime(line).value_or(CpuTime{});
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  time.process_s = Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
  return time;
}

double StolenShare(const CpuTime& before, const CpuTime& after) {
  const double wanted = after.wanted_s - before.wanted_s;
  return wanted <= 0 ? 0 : (after.stolen_s - before.stolen_s) / wanted;
}

std::string StolenWarning(double share) {
  constexpr double kToSay = 0.02;
  if (share < kToSay) return "";
  return fmt::format(
      "WARNING: the host gave {:.0f} % of the CPU time that was wanted to others; measure again "
      "when it does not\n",
      100 * share);
}

}  // namespace promptcache

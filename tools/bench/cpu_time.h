// What processors did: for this process, and for others behind the machine's back.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace promptcache {

// Seconds since the process or the machine began.
struct CpuTime {
  double process_s = 0;  // of this process
  double wanted_s = 0;   // of all cores that were not idle; 0: the system does not say
  // Of that, what the machine was not given: its host ran others. Timings of such a time tell of
  // the host.
  double stolen_s = 0;
};

CpuTime CpuTimeNow();

// The `cpu` line of /proc/stat, without `process_s`; nullopt: it is another line.
std::optional<CpuTime> ParseMachineTime(std::string_view line);

// Of what was wanted between two moments; 0 where the system does not say.
double StolenShare(const CpuTime& before, const CpuTime& after);
// A line that warns of it; empty where it is too little to matter.
std::string StolenWarning(double share);

}  // namespace promptcache

// How far something long has come.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace promptcache {

// Shows a bar with the speed so far on standard error, ended by the last call; nothing where that
// is no terminal. Not for two threads at a time.
std::function<void(uint64_t done, uint64_t total)> ProgressOnTerminal(std::string what);
// Likewise of several things, one after the other, without a speed; each ends with a share of 1.
std::function<void(const std::string& what, double share)> BarOnTerminal();
// One state of the bar: "hashing [#####---------------]  25 % of 90.0 MiB".
std::string ProgressLine(const std::string& what, uint64_t done, uint64_t total);

}  // namespace promptcache

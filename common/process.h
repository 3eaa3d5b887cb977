// What every program of the project does at its edges.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <thread>

#include "common/config.h"
#include "common/log.h"
#include "common/status.h"

namespace promptcache {

// Writes beside `path` and renames: readers see the old file or the whole new one. Naming the path,
// kNotFound when there is no such directory, kUnavailable when it cannot be written.
Status WriteFileAtomically(const std::string& path, std::string_view contents);

// The same for a file that must be new, which only its owner may read and write. kAlreadyExists
// when there is one of that name.
Status WriteNewFile(const std::string& path, std::string_view contents);

// Blocks SIGINT and SIGTERM in this thread and in those started later, and runs a thread that calls
// `on_stop` at the first of them; the second ends the process at once with 128 + signal. Call once,
// before any other thread starts.
void CallOnStopSignal(std::function<void()> on_stop);

// While it lives, SIGHUP calls `on_signal` on a thread of its own instead of ending the process.
// Make one before any other thread starts; at most one lives at a time.
class ReloadSignal {
 public:
  explicit ReloadSignal(std::function<void()> on_signal);
  ~ReloadSignal();  // waits for a call that runs; none follows
  ReloadSignal(const ReloadSignal&) = delete;
  ReloadSignal& operator=(const ReloadSignal&) = delete;

 private:
  std::atomic<bool> ends_{false};
  std::thread thread_;
};

// Lets this process, and those it starts from now on, have as many files and connections open as
// the system allows it; how many these are. Where many connect, the usual 1,024 would shut out the
// next one.
uint64_t RaiseOpenFiles();

// The file of this program, which also names a process that runs it; the system's link to it when
// the file has been replaced since.
std::string ProgramPath();

struct EnvironmentVariable {
  const char* name;
  const char* value;
};

// Starts this program anew with `variables`, but for those it already has, in its environment: for
// settings that libraries read before main() begins. Returns only when that failed.
void RestartWithEnvironment(std::span<const EnvironmentVariable> variables, char** argv);

// Applies the [log] settings. kInvalidArgument for an unknown level or format.
Status InitLogFromSettings(std::string_view component, const LogSettings& settings);

}  // namespace promptcache

// Names one life of a process: a number alone may be somebody else's later.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "common/status.h"

namespace promptcache {

struct ProcessStamp {
  pid_t pid = 0;
  uint64_t started = 0;  // clock ticks after the start of the machine
  std::string boot;      // which start of the machine
  bool operator==(const ProcessStamp&) const = default;
};

// nullopt when no such process runs (one that has ended and waits for its parent does not).
std::optional<ProcessStamp> StampOf(pid_t pid);

// A process of this machine that need not be a child. Never means another process than the one that
// it was opened for.
class ProcessHandle {
 public:
  // nullopt when that life has ended.
  static std::optional<ProcessHandle> Open(const ProcessStamp& stamp);
  ~ProcessHandle();
  ProcessHandle(ProcessHandle&& other) noexcept;
  ProcessHandle& operator=(ProcessHandle&&) = delete;

  // Sends SIGTERM. OK when it has ended; kFailedPrecondition when the system does not allow it.
  Status Terminate() const;
  // Whether it ends within this time.
  bool EndsWithin(std::chrono::milliseconds time) const;

 private:
  explicit ProcessHandle(int file) : file_(file) {}
  int file_;
};

}  // namespace promptcache

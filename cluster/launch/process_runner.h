// Child processes, behind an interface so that supervision is tested without any.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/status.h"

namespace promptcache {

struct ProcessCommand {
  std::vector<std::string> argv;  // the first one is the program's path
  std::string log_file;           // its standard output and error are appended here
};

struct ProcessExit {
  pid_t pid = 0;
  int code = 0;  // exit code, or 128 + signal; 255 where the system did not keep it
};

// Not thread safe. Its destruction kills and reaps the children that still run.
class ProcessRunner {
 public:
  virtual ~ProcessRunner() = default;
  // The child reads nothing, inherits no other file than its log, is the leader of a process group
  // of its own and gets SIGTERM when the thread that called Start ends. kNotFound when there is no
  // such program; a program that cannot be executed ends with 127 and says so in its log.
  virtual Result<pid_t> Start(const ProcessCommand& command) = 0;
  // The next child that has ended, without waiting.
  virtual std::optional<ProcessExit> PollExit() = 0;
  virtual void Terminate(pid_t pid) = 0;  // SIGTERM
  virtual void Kill(pid_t pid) = 0;       // SIGKILL
};

std::unique_ptr<ProcessRunner> MakeProcessRunner();

}  // namespace promptcache

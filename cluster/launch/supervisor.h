// Keeps a set of processes running: a pure policy over ProcessRunner and time.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "cluster/launch/process_runner.h"
#include "common/clock.h"
#include "common/status.h"

namespace promptcache {

struct SupervisorOptions {
  std::chrono::milliseconds min_backoff{100};      // before the first restart
  std::chrono::milliseconds max_backoff{5'000};    // doubles up to here; a minute of life resets it
  std::chrono::milliseconds stop_timeout{30'000};  // between SIGTERM and SIGKILL
};

struct SupervisedProcess {
  std::string name;
  pid_t pid = 0;  // 0: waiting for its restart
  uint32_t restarts = 0;
  int last_exit = 0;
};

// Not thread safe.
class Supervisor {
 public:
  Supervisor(ProcessRunner& runner, const Clock& clock, SupervisorOptions options = {})
      : runner_(runner), clock_(clock), options_(options) {}

  // Starts a process and keeps it running from now on.
  Status Add(const std::string& name, ProcessCommand command);
  // What a later restart of the process will run (a port that is known by now).
  void SetCommand(const std::string& name, ProcessCommand command);
  // Notices ends and restarts what is due. Call often. `on_event` gets a line per end and restart.
  void Tick(const std::function<void(const std::string&)>& on_event);
  // Asks all to end, the last added first, and stops restarting. Keep calling Tick until done().
  void BeginStop();
  bool done() const;

  std::vector<SupervisedProcess> processes() const;

 private:
  struct Entry {
    SupervisedProcess state;
    ProcessCommand command;
    SteadyTime started;
    SteadyTime restart_at;
    std::chrono::milliseconds backoff{0};
  };

  Status Launch(Entry& entry);
  void Ended(Entry& entry, int code, const std::function<void(const std::string&)>& on_event);

  ProcessRunner& runner_;
  const Clock& clock_;
  const SupervisorOptions options_;
  std::vector<Entry> entries_;
  bool stopping_ = false;
  SteadyTime kill_at_;
};

}  // namespace promptcache

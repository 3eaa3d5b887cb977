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
  std::chrono::milliseconds min_backoff{100};    // before the first restart
  std::chrono::milliseconds max_backoff{5'000};  // doubles up to here
  std::chrono::seconds healthy_life{60};         // a life this long makes good for earlier failures
  uint32_t max_failures = 10;  // this many short lives in a row, and the process is given up
  std::chrono::milliseconds stop_timeout{30'000};  // of a stage, between SIGTERM and SIGKILL
};

struct SupervisedProcess {
  std::string name;
  pid_t pid = 0;  // 0: waiting for its restart, given up or stopped
  uint32_t restarts = 0;
  int last_exit = 0;
  bool given_up = false;
};

// Gets a sentence for each end, restart and give-up, for the person who watches.
using SupervisorEvents = std::function<void(const std::string&)>;

// Not thread safe. `runner` and `clock` must outlive it.
class Supervisor {
 public:
  Supervisor(ProcessRunner& runner, const Clock& clock, SupervisorOptions options = {})
      : runner_(runner), clock_(clock), options_(options) {}

  // Starts a process and keeps it running from now on. Processes of a higher stage use those of
  // lower ones and are stopped before them. When the first start fails, nothing was added.
  Status Add(const std::string& name, int stage, ProcessCommand command);
  // What a later restart of the process will run (a port that is known by now).
  void SetCommand(const std::string& name, ProcessCommand command);
  // Notices ends, restarts what is due and goes on with stopping. Call often.
  void Tick(const SupervisorEvents& on_event);
  // Stops restarting and asks the highest stage to end; when it has, Tick asks the next one. Keep
  // calling Tick until done().
  void BeginStop();
  bool done() const;

  std::vector<SupervisedProcess> processes() const;

 private:
  struct Entry {
    SupervisedProcess state;
    int stage = 0;
    ProcessCommand command;
    SteadyTime started;
    SteadyTime restart_at;
    std::chrono::milliseconds backoff{0};
    uint32_t failures = 0;  // in a row
    bool asked_to_end = false;
    bool killed = false;
  };

  Status Launch(Entry& entry);
  void Failed(Entry& entry, const SupervisorEvents& on_event);
  void RestartDue(const SupervisorEvents& on_event);
  void GoOnStopping(const SupervisorEvents& on_event);

  ProcessRunner& runner_;
  const Clock& clock_;
  const SupervisorOptions options_;
  std::vector<Entry> entries_;
  bool stopping_ = false;
  SteadyTime kill_at_;  // of the stage that was asked last
};

}  // namespace promptcache

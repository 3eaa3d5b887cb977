#include "cluster/launch/supervisor.h"

#include <algorithm>

namespace promptcache {

Status Supervisor::Add(const std::string& name, int stage, ProcessCommand command) {
  if (stopping_) return FailedPrecondition("'" + name + "' was added while stopping");
  Entry entry{.state = {.name = name}, .stage = stage, .command = std::move(command)};
  entry.backoff = options_.min_backoff;
  PC_RETURN_IF_ERROR(Launch(entry));
  entries_.push_back(std::move(entry));
  return {};
}

void Supervisor::SetCommand(const std::string& name, ProcessCommand command) {
  for (Entry& entry : entries_) {
    if (entry.state.name == name) entry.command = command;
  }
}

Status Supervisor::Launch(Entry& entry) {
  PC_ASSIGN_OR_RETURN(entry.state.pid, runner_.Start(entry.command));
  entry.started = clock_.Now();
  return {};
}

void Supervisor::Tick(const SupervisorEvents& on_event) {
  while (const auto exit = runner_.PollExit()) {
    for (Entry& entry : entries_) {
      if (entry.state.pid != exit->pid) continue;
      entry.state.pid = 0;
      entry.state.last_exit = exit->code;
      on_event(entry.state.name + " ended with " + std::to_string(exit->code));
      if (stopping_) continue;
      if (clock_.Now() - entry.started >= options_.healthy_life) {
        entry.failures = 0;
        entry.backoff = options_.min_backoff;
      }
      Failed(entry, on_event);
    }
  }
  stopping_ ? GoOnStopping(on_event) : RestartDue(on_event);
}

void Supervisor::Failed(Entry& entry, const SupervisorEvents& on_event) {
  if (++entry.failures >= options_.max_failures) {
    entry.state.given_up = true;
    on_event(entry.state.name + " failed " + std::to_string(entry.failures) +
             " times in a row and is not started again; its log " + entry.command.log_file +
             " may say why");
    return;
  }
  entry.restart_at = clock_.Now() + entry.backoff;
  entry.backoff = std::min(entry.backoff * 2, options_.max_backoff);
}

void Supervisor::RestartDue(const SupervisorEvents& on_event) {
  for (Entry& entry : entries_) {
    if (entry.state.pid != 0 || entry.state.given_up || clock_.Now() < entry.restart_at) continue;
    if (const Status status = Launch(entry); !status.ok()) {
      on_event(entry.state.name + " cannot be restarted: " + status.message());
      Failed(entry, on_event);
      continue;
    }
    ++entry.state.restarts;
    on_event(entry.state.name + " restarted (pid " + std::to_string(entry.state.pid) + ")");
  }
}

void Supervisor::BeginStop() {
  if (stopping_) return;
  stopping_ = true;
  GoOnStopping([](const std::string&) {});
}

void Supervisor::GoOnStopping(const SupervisorEvents& on_event) {
  if (done()) return;
  int stage = 0;
  for (const Entry& entry : entries_) {
    if (entry.state.pid != 0) stage = std::max(stage, entry.stage);
  }
  const SteadyTime now = clock_.Now();
  for (Entry& entry : entries_) {
    if (entry.state.pid == 0 || entry.stage != stage) continue;
    if (!entry.asked_to_end) {
      entry.asked_to_end = true;
      kill_at_ = now + options_.stop_timeout;
      runner_.Terminate(entry.state.pid);
    } else if (now >= kill_at_ && !entry.killed) {
      entry.killed = true;
      on_event(entry.state.name + " did not end when asked and is killed");
      runner_.Kill(entry.state.pid);
    }
  }
}

bool Supervisor::done() const {
  return stopping_ && std::all_of(entries_.begin(), entries_.end(),
                                  [](const Entry& entry) { return entry.state.pid == 0; });
}

std::vector<SupervisedProcess> Supervisor::processes() const {
  std::vector<SupervisedProcess> processes;
  for (const Entry& entry : entries_) processes.push_back(entry.state);
  return processes;
}

}  // namespace promptcache

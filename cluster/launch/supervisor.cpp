#include "cluster/launch/supervisor.h"

#include <algorithm>

namespace promptcache {
namespace {

constexpr std::chrono::seconds kHealthyLife{60};

}  // namespace

Status Supervisor::Add(const std::string& name, ProcessCommand command) {
  Entry entry{.state = {.name = name}, .command = std::move(command)};
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

void Supervisor::Tick(const std::function<void(const std::string&)>& on_event) {
  while (const auto exit = runner_.PollExit()) {
    for (Entry& entry : entries_) {
      if (entry.state.pid == exit->pid) Ended(entry, exit->code, on_event);
    }
  }
  const SteadyTime now = clock_.Now();
  if (stopping_ && now >= kill_at_) {
    for (Entry& entry : entries_) {
      if (entry.state.pid != 0) runner_.Kill(entry.state.pid);
    }
  }
  for (Entry& entry : entries_) {
    if (stopping_ || entry.state.pid != 0 || now < entry.restart_at) continue;
    const Status status = Launch(entry);
    ++entry.state.restarts;
    if (status.ok()) {
      on_event(entry.state.name + " restarted (pid " + std::to_string(entry.state.pid) + ")");
    } else {
      on_event(entry.state.name + " not restarted: " + status.message());
      entry.restart_at = now + options_.max_backoff;
    }
  }
}

void Supervisor::Ended(Entry& entry, int code,
                       const std::function<void(const std::string&)>& on_event) {
  const SteadyTime now = clock_.Now();
  entry.state.pid = 0;
  entry.state.last_exit = code;
  on_event(entry.state.name + " ended with " + std::to_string(code));
  if (now - entry.started >= kHealthyLife) entry.backoff = options_.min_backoff;
  entry.restart_at = now + entry.backoff;
  entry.backoff = std::min(entry.backoff * 2, options_.max_backoff);
}

void Supervisor::BeginStop() {
  if (stopping_) return;
  stopping_ = true;
  kill_at_ = clock_.Now() + options_.stop_timeout;
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    if (entry->state.pid != 0) runner_.Terminate(entry->state.pid);
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

#include "common/metrics/reactor_reader.h"

#include <condition_variable>
#include <mutex>
#include <utility>

namespace promptcache {

struct ReactorReader::State {
  explicit State(Fill fill_function) : fill(std::move(fill_function)) {}

  void Run() {
    ProcessReport made;
    fill(made);
    {
      std::lock_guard lock(mutex);
      report = std::move(made);
      ++made_reports;
      asked = false;
    }
    changed.notify_all();
  }

  const Fill fill;
  std::mutex mutex;
  std::condition_variable changed;
  // Guarded by mutex.
  bool asked = false;  // a report is on its way
  bool closed = false;
  uint64_t made_reports = 0;
  ProcessReport report;  // the last one
};

ReactorReader::ReactorReader(Post post, Fill fill)
    : post_(std::move(post)), state_(std::make_shared<State>(std::move(fill))) {}

ReactorReader::~ReactorReader() { Close(); }

Result<ProcessReport> ReactorReader::Read(std::chrono::milliseconds patience) {
  std::unique_lock lock(state_->mutex);
  const uint64_t before = state_->made_reports;
  if (!std::exchange(state_->asked, true)) {
    lock.unlock();
    post_([state = state_] { state->Run(); });
    lock.lock();
  }
  const bool in_time = state_->changed.wait_for(
      lock, patience, [&] { return state_->closed || state_->made_reports != before; });
  if (state_->closed) return Unavailable("the process is stopping");
  if (in_time) return state_->report;
  return DeadlineExceeded("the reactor has done nothing for " + std::to_string(patience.count()) +
                          " ms");
}

void ReactorReader::Close() {
  {
    std::lock_guard lock(state_->mutex);
    state_->closed = true;
  }
  state_->changed.notify_all();
}

}  // namespace promptcache

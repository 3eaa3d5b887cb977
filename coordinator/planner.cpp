#include "coordinator/planner.h"

namespace promptcache {
namespace {

constexpr uint64_t kMaxWaitingBytes = uint64_t{256} << 20;

}  // namespace

Planner::Planner(Transport& transport)
    : transport_(transport),
      queue_({.warn_bytes = kMaxWaitingBytes / 2, .max_bytes = kMaxWaitingBytes}) {
  thread_ = std::jthread([this](const std::stop_token& stop) {
    while (auto job = queue_.Pop()) {
      if (stop.stop_requested()) return;
      job->work();
      transport_.Post(std::move(job->done));
    }
  });
}

Planner::~Planner() {
  thread_.request_stop();
  queue_.Close();
}

Status Planner::Submit(std::function<void()> work, std::function<void()> done, uint64_t bytes) {
  return queue_.TryPush({std::move(work), std::move(done)}, bytes);
}

}  // namespace promptcache

#include "cachestore/service/work_pool.h"

namespace promptcache {
namespace {

constexpr uint64_t kMaxJobs = 1 << 20;  // transfers and their windows bound them long before

}  // namespace

WorkPool::WorkPool(Transport& transport, uint32_t threads)
    : transport_(transport), queue_({.warn_bytes = kMaxJobs, .max_bytes = kMaxJobs}) {
  for (uint32_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) {
      while (auto job = queue_.Pop()) {
        if (stop.stop_requested()) return;
        job->work();
        transport_.Post(std::move(job->done));
      }
    });
  }
}

WorkPool::~WorkPool() {
  for (std::jthread& thread : threads_) thread.request_stop();
  queue_.Close();
}

void WorkPool::Submit(std::function<void()> work, std::function<void()> done) {
  (void)queue_.TryPush({std::move(work), std::move(done)}, 1).ok();
}

void Strand::Run(std::function<void()> work, std::function<void()> done) {
  waiting_.emplace_back(std::move(work), std::move(done));
  if (!busy_) Next();
}

void Strand::Next() {
  busy_ = !waiting_.empty();
  if (!busy_) return;
  auto [work, done] = std::move(waiting_.front());
  waiting_.pop_front();
  pool_.Submit(std::move(work), [self = shared_from_this(), done = std::move(done)] {
    done();
    self->Next();
  });
}

}  // namespace promptcache

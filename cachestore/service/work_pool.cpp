#include "cachestore/service/work_pool.h"

#include <limits>

namespace promptcache {

WorkPool::WorkPool(Transport& transport, uint32_t threads)
    : queue_(std::make_shared<JobQueue>(
          ByteQueueLimits{.warn_bytes = std::numeric_limits<uint64_t>::max(),
                          .max_bytes = std::numeric_limits<uint64_t>::max()})) {
  for (uint32_t i = 0; i < threads; ++i) {
    threads_.emplace_back([&transport, queue = queue_](const std::stop_token& stop) {
      while (auto job = queue->Pop()) {
        if (stop.stop_requested()) return;
        job->work();
        job->work = nullptr;  // what it owns may be freed here, but not on the reactor thread
        transport.Post(std::move(job->done));
      }
    });
  }
}

WorkPool::~WorkPool() {
  for (std::jthread& thread : threads_) thread.request_stop();
  queue_->Close();
  threads_.clear();
  // Jobs own their strands, and strands the queue.
  while (queue_->TryPop()) {
  }
}

void WorkPool::Submit(Job job) {
  // Fails only when closed.
  (void)queue_->TryPush(std::move(job), 1);
}

void Strand::Run(Job job) {
  waiting_.push_back(std::move(job));
  if (!busy_) Next();
}

void Strand::Finish(std::function<void()> work) {
  waiting_.clear();
  Run({.work = std::move(work), .done = [] {}});
}

void Strand::Next() {
  busy_ = !waiting_.empty();
  if (!busy_) return;
  Job job = std::move(waiting_.front());
  waiting_.pop_front();
  auto done = [self = shared_from_this(), done = std::move(job.done)] {
    done();
    self->Next();
  };
  const Status queued = queue_->TryPush({std::move(job.work), std::move(done)}, 1);
  if (!queued.ok()) waiting_.clear();  // the pool has gone
}

}  // namespace promptcache

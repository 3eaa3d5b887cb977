// Threads for work that may block, and strands that keep one party's work in order.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "cluster/transport/transport.h"
#include "common/byte_queue.h"

namespace promptcache {

// `work` runs on a thread of the pool, then `done` on the reactor thread.
struct Job {
  std::function<void()> work;
  std::function<void()> done;
};

// What the pool's threads take from. Not bounded: its users are. Closed when the pool goes.
using JobQueue = ByteQueue<Job>;

class WorkPool {
 public:
  // The transport outlives the pool.
  WorkPool(Transport& transport, uint32_t threads);
  // Waits for the work that runs and drops the rest.
  ~WorkPool();
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  // Dropped when the pool is going.
  void Submit(Job job);

  const std::shared_ptr<JobQueue>& queue() const { return queue_; }

 private:
  const std::shared_ptr<JobQueue> queue_;
  std::vector<std::jthread> threads_;
};

// Belongs to the reactor thread. May outlive the pool: what it is given then is dropped. Jobs must
// not own the strand.
class Strand : public std::enable_shared_from_this<Strand> {
 public:
  explicit Strand(std::shared_ptr<JobQueue> queue) : queue_(std::move(queue)) {}

  // After everything that was run on this strand before.
  void Run(Job job);
  // Drops what has not begun, then runs `work`. Nothing may follow.
  void Finish(std::function<void()> work);

 private:
  void Next();

  const std::shared_ptr<JobQueue> queue_;
  std::deque<Job> waiting_;
  bool busy_ = false;
};

}  // namespace promptcache

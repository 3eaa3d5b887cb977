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

class WorkPool {
 public:
  WorkPool(Transport& transport, uint32_t threads);
  ~WorkPool();

  // Runs `work` on a thread of the pool, then `done` on the reactor thread. Work that waits when
  // the pool goes is dropped.
  void Submit(std::function<void()> work, std::function<void()> done);

 private:
  struct Job {
    std::function<void()> work;
    std::function<void()> done;
  };
  Transport& transport_;
  ByteQueue<Job> queue_;
  std::vector<std::jthread> threads_;
};

// Belongs to the reactor thread.
class Strand : public std::enable_shared_from_this<Strand> {
 public:
  explicit Strand(WorkPool& pool) : pool_(pool) {}
  // After everything that was run on this strand before.
  void Run(std::function<void()> work, std::function<void()> done);

 private:
  void Next();

  WorkPool& pool_;
  std::deque<std::pair<std::function<void()>, std::function<void()>>> waiting_;
  bool busy_ = false;
};

}  // namespace promptcache

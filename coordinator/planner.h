// The thread that compiles schemas and plans prompts. Internal to coordinator/.
#pragma once

#include <functional>
#include <thread>

#include "cluster/transport/transport.h"
#include "common/byte_queue.h"

namespace promptcache {

class Planner {
 public:
  explicit Planner(Transport& transport);
  ~Planner();

  // Runs `work` on the planner thread, then `done` on the reactor thread. kBusy when `bytes` of
  // waiting work are too many. What is waiting when the planner goes is dropped.
  Status Submit(std::function<void()> work, std::function<void()> done, uint64_t bytes);

 private:
  struct Job {
    std::function<void()> work;
    std::function<void()> done;
  };

  Transport& transport_;
  ByteQueue<Job> queue_;
  std::jthread thread_;
};

}  // namespace promptcache

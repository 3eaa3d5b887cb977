#include "coordinator/background.h"

#include <atomic>
#include <thread>

#include "common/byte_queue.h"

namespace promptcache {
namespace {

constexpr uint64_t kMaxWaitingBytes = uint64_t{256} << 20;
constexpr uint64_t kJobBytes = 4 << 10;  // what a small job holds besides its input

class BackgroundThread : public Background {
 public:
  explicit BackgroundThread(Transport& transport)
      : transport_(transport),
        queue_({.warn_bytes = kMaxWaitingBytes / 2, .max_bytes = kMaxWaitingBytes}),
        thread_([this](const std::stop_token& stop) { Run(stop); }) {}

  ~BackgroundThread() override {
    alive_->store(false);
    thread_.request_stop();
    queue_.Close();
  }

  Status Submit(std::function<void()> work, std::function<void()> done, uint64_t bytes) override {
    return queue_.TryPush({std::move(work), std::move(done)}, bytes + kJobBytes);
  }

 private:
  struct Job {
    std::function<void()> work;
    std::function<void()> done;
  };

  void Run(const std::stop_token& stop) {
    while (auto job = queue_.Pop()) {
      if (stop.stop_requested()) return;
      job->work();
      transport_.Post([alive = alive_, done = std::move(job->done)] {
        if (alive->load()) done();
      });
    }
  }

  Transport& transport_;
  const std::shared_ptr<std::atomic<bool>> alive_ = std::make_shared<std::atomic<bool>>(true);
  ByteQueue<Job> queue_;
  std::jthread thread_;  // last: it uses the rest
};

}  // namespace

std::unique_ptr<Background> StartBackgroundThread(Transport& transport) {
  return std::make_unique<BackgroundThread>(transport);
}

}  // namespace promptcache

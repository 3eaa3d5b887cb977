// Threads that share the loops of one calling thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

namespace promptcache {

// More than any machine's cores; what a user may ask for.
inline constexpr int kMaxThreads = 1024;

// A loop is cut into pieces that the caller and its helpers take one after the other. The caller
// never waits for a helper that has not begun a piece: a helper whose core is taken by something
// else costs its share of the work and no more. Helpers stay awake for some tens of microseconds
// after a loop, which is where the next one of a step comes, and then sleep.
//
// One thread calls at a time. Loops inside a loop run in their caller.
class ThreadTeam {
 public:
  // `threads` with the caller; as many helpers as the system has threads left for.
  explicit ThreadTeam(int threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  using Body = std::function<void(int64_t begin, int64_t end)>;

  // While it lives, ParallelFor of the thread that made it uses the team; none: null.
  class Use {
   public:
    explicit Use(ThreadTeam* team);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    ThreadTeam* before_;
  };

  // See ParallelFor.
  void Run(int64_t count, int64_t grain, const Body& body);

 private:
  struct Loop {
    const Body* body = nullptr;
    int64_t count = 0, piece = 1;
  };

  void Help();
  void TakePieces();
  uint32_t AwaitRound(uint32_t seen) const;

  // Even: no loop; odd: loop_ is open; kStop ends the helpers. Whoever adds to inside_ and then
  // finds the round it saw may read loop_; the caller closes the round and then waits until nobody
  // is inside before it writes loop_ again.
  alignas(64) std::atomic<uint32_t> round_{0};
  alignas(64) std::atomic<int> inside_{0};
  alignas(64) std::atomic<int64_t> next_{0};
  std::atomic<bool> failed_{false};
  std::exception_ptr failure_;  // written by whoever sets failed_
  Loop loop_;
  std::vector<std::jthread> helpers_;
};

// Calls `body` with pieces of [0, count) that together are all of it, each `grain` long or longer
// but for the last, on the threads of the team in use; in the calling thread alone without one, or
// when one piece is enough. Returns when all are done; what a body throws is thrown here.
void ParallelFor(int64_t count, int64_t grain, const ThreadTeam::Body& body);

}  // namespace promptcache

#include "common/thread_team.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

namespace promptcache {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kStop = 0xffffffff;
constexpr int64_t kPiecesPerThread = 4;
// Longer than what a step does between two loops, shorter than what a neighbour would feel.
constexpr auto kAwake = std::chrono::microseconds(50);
constexpr int kPausesPerLook = 8;

thread_local ThreadTeam* t_team = nullptr;

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace

ThreadTeam::ThreadTeam(int threads) {
  try {
    for (int i = 1; i < threads; ++i) helpers_.emplace_back([this] { Help(); });
  } catch (const std::system_error&) {
    // Fewer threads do the same work.
  }
}

ThreadTeam::~ThreadTeam() {
  round_.store(kStop);
  round_.notify_all();
}

ThreadTeam::Use::Use(ThreadTeam* team) : before_(std::exchange(t_team, team)) {}
ThreadTeam::Use::~Use() { t_team = before_; }

void ThreadTeam::Run(int64_t count, int64_t grain, const Body& body) {
  const int64_t threads = static_cast<int64_t>(helpers_.size()) + 1;
  const int64_t piece = std::max(
      {int64_t{1}, grain, (count + threads * kPiecesPerThread - 1) / (threads * kPiecesPerThread)});
  if (piece >= count || helpers_.empty()) {
    if (count > 0) body(0, count);
    return;
  }
  loop_ = {&body, count, piece};
  next_.store(0, std::memory_order_relaxed);
  failed_.store(false, std::memory_order_relaxed);
  const uint32_t round = round_.load(std::memory_order_relaxed) + 1;
  round_.store(round);
  round_.notify_all();
  TakePieces();
  round_.store(round + 1 == kStop - 1 ? 0 : round + 1);
  for (int looks = 0; inside_.load() != 0; ++looks) {
    if (looks < 256) {
      Pause();
    } else {
      std::this_thread::yield();
    }
  }
  if (failed_.load()) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ThreadTeam::TakePieces() {
  const Loop loop = loop_;
  while (true) {
    const int64_t begin = next_.fetch_add(loop.piece, std::memory_order_relaxed);
    if (begin >= loop.count) return;
    try {
      (*loop.body)(begin, std::min(begin + loop.piece, loop.count));
    } catch (...) {
      if (!failed_.exchange(true)) failure_ = std::current_exception();
      next_.store(loop.count, std::memory_order_relaxed);
      return;
    }
  }
}

void ThreadTeam::Help() {
  uint32_t seen = 0;
  while (true) {
    seen = AwaitRound(seen);
    if (seen == kStop) return;
    if (seen % 2 == 0) continue;
    inside_.fetch_add(1);
    if (round_.load() == seen) TakePieces();
    inside_.fetch_sub(1);
  }
}

// A round other than `seen`.
uint32_t ThreadTeam::AwaitRound(uint32_t seen) const {
  const auto sleep_at = Clock::now() + kAwake;
  while (true) {
    for (int i = 0; i < kPausesPerLook; ++i) {
      const uint32_t round = round_.load();
      if (round != seen) return round;
      Pause();
    }
    if (Clock::now() >= sleep_at) round_.wait(seen);
  }
}

void ParallelFor(int64_t count, int64_t grain, const ThreadTeam::Body& body) {
  ThreadTeam* const team = t_team;
  const ThreadTeam::Use none_inside(nullptr);
  if (team != nullptr) return team->Run(count, grain, body);
  if (count > 0) body(0, count);
}

}  // namespace promptcache

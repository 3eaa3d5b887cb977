// Preloaded into a process: its time of day is off by the seconds that a file says, from now to
// now. Durations stay true. libfaketime would do, but does not start with jemalloc.
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <ctime>

namespace {

constexpr char kVariable[] = "PROMPTCACHE_FALSE_CLOCK=";
// Absolute times beyond this count from 1970, others from the machine's start.
constexpr time_t kLongAgo = 1'000'000'000;

const std::atomic<int64_t>* seconds_off = nullptr;

// glibc gives constructors what main gets. The allocator asks for the time before that.
__attribute__((constructor)) void MapFile(int, char**, char** environment) {
  for (; *environment != nullptr; ++environment) {
    if (std::strncmp(*environment, kVariable, sizeof(kVariable) - 1) != 0) continue;
    const int file = ::open(*environment + sizeof(kVariable) - 1, O_RDONLY | O_CLOEXEC);
    void* const page = ::mmap(nullptr, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    ::close(file);
    if (page != MAP_FAILED) seconds_off = static_cast<const std::atomic<int64_t>*>(page);
  }
}

time_t Off() { return seconds_off == nullptr ? 0 : static_cast<time_t>(seconds_off->load()); }

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const auto failed = static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
  const bool is_time_of_day = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
  if (failed == 0 && is_time_of_day) time->tv_sec += Off();
  return failed;
}

int gettimeofday(timeval* __restrict time, void* __restrict) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  *time = {now.tv_sec, now.tv_nsec / 1'000};
  return 0;
}

time_t time(time_t* out) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

// Who waits until a time of day means the false one.
int pthread_cond_timedwait(pthread_cond_t* __restrict condition, pthread_mutex_t* __restrict mutex,
                           const timespec* __restrict until) {
  if (until->tv_sec < kLongAgo) {
    return pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, until);
  }
  const timespec true_time{until->tv_sec - Off(), until->tv_nsec};
  return pthread_cond_clockwait(condition, mutex, CLOCK_REALTIME, &true_time);
}

}  // extern "C"

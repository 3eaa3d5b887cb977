// Reads what a reactor thread owns, from other threads, with a limit on waiting.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "common/metrics/metric.h"
#include "common/status.h"

namespace promptcache {

// Thread safe. Whoever asks while a report is on its way gets that one: however often it is asked,
// the reactor makes one report at a time, and one is all that waits for a reactor that hangs.
class ReactorReader {
 public:
  // Runs a function on the reactor thread, or never.
  using Post = std::function<void(std::function<void()>)>;
  using Fill = std::function<void(ProcessReport&)>;

  // `fill` is called on the reactor thread.
  ReactorReader(Post post, Fill fill);
  ~ReactorReader();
  ReactorReader(const ReactorReader&) = delete;
  ReactorReader& operator=(const ReactorReader&) = delete;

  // kDeadlineExceeded when the reactor does not come to it in time.
  Result<ProcessReport> Read(std::chrono::milliseconds patience);
  // Whoever waits, and whoever comes, gets kUnavailable. `fill` may be called for a last time.
  void Close();

 private:
  struct State;
  const Post post_;
  const std::shared_ptr<State> state_;  // also of a function that was posted
};

}  // namespace promptcache

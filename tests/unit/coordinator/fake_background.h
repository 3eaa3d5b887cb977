// Background work that is done when the test's network runs, or when the test lets it go.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "coordinator/background.h"

namespace promptcache::testing {

class FakeBackground : public Background {
 public:
  explicit FakeBackground(Transport& transport) : transport_(transport) {}
  ~FakeBackground() override { *alive_ = false; }

  Status Submit(std::function<void()> work, std::function<void()> done,
                uint64_t /*bytes*/) override {
    if (is_full_) return Busy("a queue is full");
    waiting_.emplace_back(std::move(work), std::move(done));
    if (!is_held_) Release();
    return {};
  }

  // What is submitted waits until Release.
  void Hold() { is_held_ = true; }
  void Release() {
    is_held_ = false;
    while (!waiting_.empty()) RunOne();
  }
  // Work is refused from now on, or taken again.
  void SetFull(bool is_full) { is_full_ = is_full; }
  size_t waiting() const { return waiting_.size(); }

 private:
  void RunOne() {
    auto job = std::move(waiting_.front());
    waiting_.pop_front();
    transport_.Post([alive = alive_, job = std::move(job)] {
      if (!*alive) return;
      job.first();
      if (*alive) job.second();
    });
  }

  Transport& transport_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::deque<std::pair<std::function<void()>, std::function<void()>>> waiting_;
  bool is_held_ = false;
  bool is_full_ = false;
};

}  // namespace promptcache::testing

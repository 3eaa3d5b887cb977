// The requests of an engine: those that wait for slots, in the order they came, and those that run.
// Internal to engines.
#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "worker/engine/account.h"
#include "worker/engine/engine.h"
#include "worker/engine/inbox.h"
#include "worker/engine/request.h"

namespace promptcache {

// A `Running` is one request that has its slots: request(), slots(), missing_units(), done() and
// TakeUsage(interrupted), as Sequence has them.
//
// Submit, Cancel and queued are thread safe; the rest belongs to the engine thread, which runs the
// inbox. Whoever was taken by Submit gets its on_final, once.
template <typename Running>
class RequestQueue {
 public:
  // Called with a running request that ends before its units are there: it waits for none any more.
  using Abandon = std::function<void(const RequestId& id)>;

  // The inbox outlives the queue.
  RequestQueue(const EngineOptions& options, Inbox& inbox, Abandon abandon)
      : slots_(options.slots),
        limit_(options.queue_limit),
        inbox_(inbox),
        abandon_(std::move(abandon)) {}

  // As Engine::Submit, for a request that is valid.
  Status Submit(EngineRequest request) {
    PC_RETURN_IF_ERROR(request.options.FitsSlots(slots_));
    if (queued_.fetch_add(1) >= limit_) {
      --queued_;
      return Busy(std::to_string(limit_) +
                  " requests wait already, the limit of this worker; try again later");
    }
    auto shared = std::make_shared<EngineRequest>(std::move(request));
    inbox_.Post([this, shared] { Enqueue(std::move(*shared)); });
    return {};
  }

  void Cancel(const RequestId& id) {
    inbox_.Post([this, id] { End(id, Cancelled("cancelled")); });
  }

  // Submitted and not yet running.
  uint32_t queued() const { return queued_.load(); }

  const std::deque<EngineRequest>& waiting() const { return waiting_; }
  const std::vector<std::unique_ptr<Running>>& running() const { return running_; }
  uint64_t finished() const { return finished_; }  // that ran

  // Whether there are slots for the first that waits: later ones do not overtake it.
  bool HasNext() const {
    if (waiting_.empty()) return false;
    size_t taken = waiting_.front().options.samples;
    for (const auto& running : running_) taken += running->slots();
    return taken <= slots_;
  }

  // REQUIRES: HasNext(). The caller makes it a Running and calls Start at once.
  EngineRequest TakeNext() {
    EngineRequest request = std::move(waiting_.front());
    waiting_.pop_front();
    --queued_;
    return request;
  }

  Running& Start(std::unique_ptr<Running> running) {
    return *running_.emplace_back(std::move(running));
  }

  // Null when none of this id runs.
  Running* Find(const RequestId& id) const {
    const auto found = IteratorOf(id);
    return found == running_.end() ? nullptr : found->get();
  }

  // SteadyTime::max() without requests.
  SteadyTime NextDeadline() const {
    SteadyTime next = SteadyTime::max();
    for (const auto& running : running_) next = std::min(next, running->request().deadline);
    for (const EngineRequest& request : waiting_) next = std::min(next, request.deadline);
    return next;
  }

  // Unknown ids are ignored.
  void End(const RequestId& id, const Status& status) {
    if (const auto found = IteratorOf(id); found != running_.end()) {
      return Finish(static_cast<size_t>(found - running_.begin()), status);
    }
    RefuseIf([&](const EngineRequest& request) { return request.id == id; }, status);
  }

  void EndLate(SteadyTime now) {
    const Status late = DeadlineExceeded("the request's deadline has passed");
    FinishIf([&](const Running& running) { return now >= running.request().deadline; }, late);
    RefuseIf([&](const EngineRequest& request) { return now >= request.deadline; }, late);
  }

  // Those that have all they were to generate, and all their units.
  void EndDone() {
    FinishIf([](const Running& running) { return running.missing_units() == 0 && running.done(); },
             {});
  }

  void EndAll(const Status& status) {
    FinishIf([](const Running&) { return true; }, status);
    RefuseIf([](const EngineRequest&) { return true; }, status);
  }

 private:
  auto IteratorOf(const RequestId& id) const {
    return std::find_if(running_.begin(), running_.end(),
                        [&](const auto& running) { return running->request().id == id; });
  }

  void Enqueue(EngineRequest request) {
    const bool in_use =
        IteratorOf(request.id) != running_.end() ||
        std::any_of(waiting_.begin(), waiting_.end(),
                    [&](const EngineRequest& other) { return other.id == request.id; });
    if (in_use) return Refuse(request, AlreadyExists("a request with this id is running"));
    waiting_.push_back(std::move(request));
  }

  // Ends a request that never ran.
  void Refuse(const EngineRequest& request, const Status& status) {
    --queued_;
    Usage usage;
    usage.finish = FinishOf(status);
    request.events.on_final(status, std::move(usage));
  }

  template <typename Predicate>
  void RefuseIf(Predicate ends, const Status& status) {
    std::erase_if(waiting_, [&](const EngineRequest& request) {
      if (!ends(request)) return false;
      Refuse(request, status);
      return true;
    });
  }

  template <typename Predicate>
  void FinishIf(Predicate ends, const Status& status) {
    for (size_t i = running_.size(); i-- > 0;) {
      if (ends(*running_[i])) Finish(i, status);
    }
  }

  void Finish(size_t index, const Status& status) {
    const std::unique_ptr<Running> ended = std::move(running_[index]);
    running_.erase(running_.begin() + static_cast<ptrdiff_t>(index));
    if (ended->missing_units() > 0) abandon_(ended->request().id);
    ++finished_;
    Usage usage = ended->TakeUsage(status.ok() ? FinishReason::kNone : FinishOf(status));
    ended->request().events.on_final(status, std::move(usage));
  }

  const uint32_t slots_;
  const uint32_t limit_;  // to those that wait
  Inbox& inbox_;
  const Abandon abandon_;

  std::atomic<uint32_t> queued_{0};

  // Owned by the engine thread.
  std::deque<EngineRequest> waiting_;
  std::vector<std::unique_ptr<Running>> running_;
  uint64_t finished_ = 0;
};

}  // namespace promptcache

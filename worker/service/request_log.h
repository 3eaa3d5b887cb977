// The requests that a worker has or had, by id: whose they are, and their answers as far as memory
// goes, so that another coordinator can take them over. Pure state: time comes from the caller, and
// the same calls have the same results. Internal to worker/service.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "cluster/wire/messages.h"
#include "common/clock.h"

namespace promptcache {

struct RequestLogLimits {
  std::chrono::seconds keep{600};  // after the end
  std::chrono::seconds orphan{30};  // that a request runs on without a coordinator
  // Ended requests leave before their time, the oldest first, where these are exceeded. Where only
  // running ones are left, the one that gets a part loses its oldest parts.
  uint64_t bytes = uint64_t{64} << 20;  // of answers, about
  size_t requests = 65'536;
};

// Whom a request belongs to: a coordinator, by a number that the caller knows it by, and the
// attempt that it gave.
struct RequestOwner {
  uint32_t coordinator = 0;
  uint32_t attempt = 0;
  bool operator==(const RequestOwner&) const = default;
};

// One run of a request: another attempt may take its place under the same id.
struct RequestRun {
  RequestId id;
  uint64_t number = 0;
};

// A message for a coordinator.
struct Outgoing {
  uint32_t coordinator = 0;
  Envelope envelope;
};

// Not thread safe.
class RequestLog {
 public:
  explicit RequestLog(RequestLogLimits limits = {}) : limits_(limits) {}

  struct Begun {
    RequestRun run;
    bool replaced = false;             // an earlier run of the request: it has to be stopped
    std::optional<Outgoing> farewell;  // the Final of another coordinator's
  };
  // A run whose first part will be `first_part`. kAlreadyExists when the owner has begun it;
  // kFailedPrecondition when the attempt is not newer than the one that is known.
  Result<Begun> Begin(const RequestId& id, const RequestOwner& owner, uint32_t first_part);
  // Keeps the part under the next seq. The message is nullopt when it is nobody's: the run has
  // ended, was replaced, or is an orphan.
  std::optional<Outgoing> Part(const RequestRun& run, Partial part);
  // Keeps the end. The message likewise.
  std::optional<Outgoing> End(const RequestRun& run, Final final, SteadyTime now);
  // As if it had never been here: nobody shall take up what was refused or given up.
  void Forget(const RequestId& id);

  RequestState Query(const RequestId& id) const;
  // From now on the answer is this owner's. The parts from `first_part` on, and the Final when there
  // is one; or a Final alone: kNotFound without the request or these parts, kFailedPrecondition when
  // the attempt is older than the one that is known. A farewell to an owner before.
  std::vector<Outgoing> Adopt(const RequestId& id, const RequestOwner& owner, uint32_t first_part);
  // Whether the request runs and has to be stopped: not when the attempt is older than the one that
  // is known.
  bool Cancel(const RequestId& id, uint32_t attempt);

  // Its running requests are orphans.
  void CoordinatorLost(uint32_t coordinator, SteadyTime now);
  // Forgets what ended long ago, and the orphans whose time is up. These, which have to be stopped.
  std::vector<RequestId> Expire(SteadyTime now);

  size_t size() const { return requests_.size(); }
  uint64_t bytes() const { return bytes_; }

 private:
  struct Request {
    uint64_t run = 0;
    uint32_t attempt = 0;               // the newest that was heard of
    std::optional<RequestOwner> owner;  // none: its coordinator was lost
    uint32_t first_part = 0;  // of `parts`
    std::deque<Partial> parts;
    std::optional<Final> final;
    SteadyTime ended;
    uint64_t end_number = 0;
    uint64_t bytes = 0;

    uint32_t next_part() const { return first_part + static_cast<uint32_t>(parts.size()); }
    bool running() const { return !final; }
  };
  using Requests = std::map<RequestId, Request>;  // in order, for results that repeat

  // Null unless this run of it is under way.
  Request* FindRunning(const RequestRun& run);
  void Charge(Request& request, uint64_t bytes);
  void Erase(Requests::iterator request);
  // Makes room; `growing` may lose parts for it.
  void Shrink(Request& growing);
  std::optional<Outgoing> Farewell(const RequestId& id, const Request& request,
                                   uint32_t new_coordinator) const;

  const RequestLogLimits limits_;
  Requests requests_;
  std::map<uint64_t, RequestId> ended_;      // by end_number: the oldest first
  std::map<RequestId, SteadyTime> orphans_;  // running ones, and since when
  uint64_t last_run_ = 0;
  uint64_t last_end_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace promptcache

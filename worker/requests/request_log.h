// The requests that a worker has or had, by id: whose they are, and their answers as far as memory
// goes, so that another coordinator can take them over. Pure state: time comes from the caller, and
// the same calls have the same results. Internal to worker/.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "cluster/wire/messages.h"
#include "common/clock.h"

namespace promptcache {

struct RequestLogLimits {
  std::chrono::seconds keep{600};   // after the end
  std::chrono::seconds orphan{30};  // that a request runs on without a coordinator
  // Where these are exceeded, requests that have ended and were sent leave before their time, the
  // oldest first. Where there are none, the request that gets a part loses its oldest parts.
  uint64_t bytes = uint64_t{64} << 20;  // of answers, about
  size_t requests = 65'536;
};

// Whom a request belongs to: a coordinator, by a number that the caller knows it by, and the
// attempt that it gave.
struct RequestOwner {
  uint32_t coordinator = 0;
  uint32_t attempt = 0;
  std::string trace;  // that every message about the request carries
  // It is the same owner with any trace.
  bool operator==(const RequestOwner& other) const {
    return coordinator == other.coordinator && attempt == other.attempt;
  }
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
// Of this request, with its trace.
Outgoing MessageTo(const RequestOwner& owner, const RequestId& id, Message body);

// Not thread safe.
class RequestLog {
 public:
  explicit RequestLog(RequestLogLimits limits = {}) : limits_(limits) {}

  // ---- runs ----
  struct Begun {
    RequestRun run;
    bool replaced = false;             // an earlier run of the request: it has to be stopped
    std::optional<Outgoing> farewell;  // the Final of another coordinator's
  };
  // A run that goes on behind what was delivered. kAlreadyExists when the owner has begun it and
  // will hear of its end; kFailedPrecondition when the attempt is not newer than the one that is
  // known.
  Result<Begun> Begin(const RequestId& id, const RequestOwner& owner, Delivered delivered);
  // Keeps the part under the next seq. Ignored when the run has ended or was replaced.
  void Part(const RequestRun& run, Partial part);
  // Likewise.
  void End(const RequestRun& run, Final final, SteadyTime now);
  // As if the run had never been here: nobody shall take up what was refused. Whose it was.
  std::optional<RequestOwner> Forget(const RequestRun& run);
  // Whether the request runs and has to be stopped: not when the attempt is older than the one that
  // is known.
  bool Cancel(const RequestId& id, uint32_t attempt);

  // ---- what its owner hears ----
  // The next part that it has not been sent, in the end the Final; nullopt: nothing now. A Final of
  // kDataLoss when the part was dropped for want of room: the request is then an orphan.
  std::optional<Outgoing> Next(const RequestId& id) const;
  // That is on its way. REQUIRES: there was one.
  void Sent(const RequestId& id, SteadyTime now);

  // ---- other coordinators ----
  RequestState Query(const RequestId& id) const;
  // From now on the answer is this owner's, behind what was delivered and numbered on from there.
  // A farewell to the one before. kNotFound without the request, when the tokens here are others,
  // and when no part that is here begins behind them; kFailedPrecondition when the attempt is older
  // than the one that is known.
  Result<std::optional<Outgoing>> Adopt(const RequestId& id, const RequestOwner& owner,
                                        const Delivered& delivered);
  // Its running requests are orphans: so many.
  size_t CoordinatorLost(uint32_t coordinator, SteadyTime now);
  // Forgets what ended long ago, and the orphans whose time is up. These, which have to be stopped.
  std::vector<RequestId> Expire(SteadyTime now);

  size_t size() const { return requests_.size(); }
  uint64_t bytes() const { return bytes_; }

 private:
  struct Request {
    uint64_t run = 0;
    uint32_t attempt = 0;               // the newest that was heard of
    std::optional<RequestOwner> owner;  // none: its coordinator was lost
    uint32_t next_sent = 0;             // to the owner
    uint32_t renumbered = 0;            // what the owner's numbers are more than these, modulo 2^32
    Delivered before;                   // `parts`
    std::deque<Partial> parts;
    std::optional<Final> final;
    SteadyTime ended;
    uint64_t end_number = 0;  // 0: it runs, or its owner has yet to hear of the end
    uint64_t bytes = 0;

    uint32_t first_part() const { return before.parts; }
    uint32_t next_part() const { return first_part() + static_cast<uint32_t>(parts.size()); }
    bool running() const { return !final; }
    // The part behind these tokens; nullopt: the answer has others, or none begins there.
    std::optional<uint32_t> PartBehind(const std::vector<std::vector<TokenId>>& tokens) const;
  };
  // Found for every part of an answer, among tens of thousands.
  using Requests = std::unordered_map<RequestId, Request>;

  // Null unless this run of it is under way.
  Request* FindRunning(const RequestRun& run);
  static std::optional<Outgoing> Farewell(const RequestId& id, const Request& request,
                                          uint32_t new_coordinator);
  // Nobody hears of it any more.
  void Disown(const RequestId& id, Request& request, SteadyTime now);
  void MayLeave(const RequestId& id, Request& request);
  void Erase(Requests::iterator request);
  void Charge(Request& request, uint64_t bytes);
  // Makes room; `growing` may lose parts for it.
  void Shrink(Request& growing);

  const RequestLogLimits limits_;
  Requests requests_;
  std::map<uint64_t, RequestId> ended_;      // by end_number: the oldest first
  std::map<RequestId, SteadyTime> orphans_;  // running ones, and since when
  uint64_t last_run_ = 0;
  uint64_t last_end_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace promptcache

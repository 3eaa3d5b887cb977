// The requests of a client and what becomes of them: a pure state machine. Events go in, actions
// come out; no sockets, clocks or threads, and nothing at random.
//
// A request waits or is sent. It is sent at most once over a link, so whatever comes over the link
// that is up belongs to its newest attempt; what comes over an older link is not heard. When the
// link is lost the request waits for the next one and goes on there behind what was shown.
//
// What was lost on a link that stayed up shows in the numbers: a part whose seq is too high, or a
// good end that counts more tokens than came. Such a link is left, and all its requests go on over
// the next one; a request that this happens to once more than kMaxGaps times ends.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "cluster/client/client.h"
#include "cluster/wire/messages.h"
#include "common/clock.h"
#include "common/status.h"

namespace promptcache {

// What the attempt of a request grows by each time it is sent again. A coordinator adds 1 when it
// gives the request to a worker again.
inline constexpr uint32_t kAttemptsPerSend = 65'536;
inline constexpr uint32_t kMaxGaps = 3;
// After its deadline the coordinator still gets this long to end a request itself.
inline constexpr std::chrono::milliseconds kDeadlineGrace{500};

// Ascends, and is never 0: each time a coordinator is reached is another link.
using LinkId = uint64_t;

// Send this over the link that is up; what does not go out comes back by SendFailed.
struct ClientSend {
  Envelope envelope;
};
struct ClientPart {
  RequestId request;
  Partial partial;
};
// The one end of a request.
struct ClientEnd {
  Answer answer;
};
// Close the link and reach for a coordinator again: parts of answers were lost on it.
struct LeaveLink {
  Status why;
};
using ClientAction = std::variant<ClientSend, ClientPart, ClientEnd, LeaveLink>;
// To be done in this order.
using ClientActions = std::vector<ClientAction>;

// Not thread safe. Times must not go back.
class RequestTable {
 public:
  // A request ends when no coordinator was reachable for `reach_timeout`.
  explicit RequestTable(std::chrono::milliseconds reach_timeout) : reach_timeout_(reach_timeout) {}

  // REQUIRES: `id` is not that of a request that has not ended.
  ClientActions Start(const RequestId& id, Submit submit, const SubmitOptions& options,
                      SteadyTime now);
  ClientActions Cancel(const RequestId& id, SteadyTime now);
  // Ends everything with this status, on both sides (the client closes).
  ClientActions EndAll(const Status& status, SteadyTime now);

  // REQUIRES: no link is up.
  ClientActions LinkUp(LinkId link, const std::string& endpoint, SteadyTime now);
  // The link was lost, or another attempt to reach a coordinator has failed.
  ClientActions LinkDown(const Status& why, SteadyTime now);
  ClientActions Received(LinkId link, Envelope envelope, SteadyTime now);
  // `envelope`, of a ClientSend, was not sent.
  ClientActions SendFailed(const Envelope& envelope, const Status& why, SteadyTime now);
  // Ends what is past its time and sends what could not be sent before. Call it at least every
  // 400 ms: that keeps every end within a second of its deadline.
  ClientActions Tick(SteadyTime now);

  size_t size() const { return requests_.size(); }
  // Nothing runs, and Tick has nothing to do.
  bool idle() const { return requests_.empty() && owed_cancels_.empty(); }
  // Messages that belong to no request, or to a link that is gone.
  uint64_t unexpected() const { return unexpected_; }

 private:
  struct Request {
    uint64_t number = 0;  // ascends in the order of arrival
    Submit submit;        // without what was delivered
    std::string trace;    // goes with every message
    SteadyTime start;
    SteadyTime deadline;
    SteadyTime unreachable_since;  // while no link is up
    uint32_t attempt = 0;
    uint32_t next_seq = 0;
    uint32_t gaps = 0;
    bool sent = false;  // over the link that is up
    bool cancelled = false;
    Answer answer;
  };
  using Requests = std::map<RequestId, Request>;
  using Entry = Requests::iterator;

  std::vector<Entry> InOrder();  // of arrival
  static Envelope MessageOf(Entry entry, Message body);
  void Send(Entry entry, SteadyTime now, ClientActions& actions);
  void ReceivedPartial(Entry entry, Partial partial, SteadyTime now, ClientActions& actions);
  void ReceivedFinal(Entry entry, Final final, SteadyTime now, ClientActions& actions);
  void PartsWereLost(Entry entry, SteadyTime now, ClientActions& actions);
  // No link is up any more.
  void LoseLink(const Status& why, SteadyTime now, ClientActions& actions);
  void LoseSent(Entry entry, const std::string& endpoint, SteadyTime now, ClientActions& actions);
  void TickOne(Entry entry, SteadyTime now, ClientActions& actions);
  // Ends a request; Abandon also tells the coordinator that works on it.
  void End(Entry entry, const Status& status, SteadyTime now, ClientActions& actions);
  void Abandon(Entry entry, const Status& status, SteadyTime now, ClientActions& actions);

  const std::chrono::milliseconds reach_timeout_;
  Requests requests_;
  LinkId link_ = 0;  // 0: none is up
  std::string endpoint_;
  std::map<RequestId, Envelope> owed_cancels_;  // that the link that is up had no room for
  Status down_;                                 // why no link is up
  uint64_t last_number_ = 0;
  uint64_t unexpected_ = 0;
};

}  // namespace promptcache

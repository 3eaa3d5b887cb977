// What of a client lives on the reactor thread: its requests and calls, its link, and the
// callbacks.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <unordered_map>

#include "cluster/client/client.h"
#include "cluster/client/failover_link.h"
#include "cluster/client/request_table.h"
#include "cluster/transport/transport.h"
#include "common/clock.h"

namespace promptcache {

struct StreamCallbacks {
  PartialCallback on_partial;
  FinalCallback on_final;
};
// The answer's message, or why there is none.
using CallCallback = std::function<void(Result<Message>)>;

// Belongs to the reactor thread. Transport and clock must outlive it. Callbacks are called on that
// thread and must not call it.
class ClientReactor {
 public:
  ClientReactor(Transport& transport, const Clock& clock, const ClientOptions& options);
  ~ClientReactor();
  ClientReactor(const ClientReactor&) = delete;
  ClientReactor& operator=(const ClientReactor&) = delete;

  // Begins connecting; `connected` is called once, when a coordinator has answered or all have
  // refused. kInvalidArgument for an endpoint that can never work.
  Status Start(std::function<void(const Status&)> connected);
  void Submit(const RequestId& id, const struct Submit& request, const SubmitOptions& options,
              StreamCallbacks callbacks);
  void Cancel(const RequestId& id);
  // A request with one answer: kUnavailable when the link is lost, or why the coordinator ended it
  // for good; kDeadlineExceeded after a minute, kAlreadyExists when another one has this id.
  void Call(const RequestId& id, Message request, CallCallback callback);
  // Ends everything with this status.
  void EndAll(const Status& status);
  // Why there was no link the last time; empty: there always was.
  const std::string& last_loss() const { return last_loss_; }

 private:
  struct PendingCall {
    CallCallback callback;
    TimerId timeout = 0;
  };

  void Settle(const Status& status);
  void LinkUp(const std::string& endpoint);
  void LinkDown(const Status& why);
  void Receive(Envelope envelope);
  void Perform(ClientActions actions);
  void SendOver(const Envelope& envelope);
  void ShowPart(const ClientPart& part);
  void EndRequest(Answer answer);
  // Ticks for as long as there are requests.
  void TickLater();
  void EndCalls(const Status& status);
  void Complete(const RequestId& id, Result<Message> message);

  Transport& transport_;
  const Clock& clock_;
  RequestTable requests_;
  std::unordered_map<RequestId, StreamCallbacks> streams_;
  std::map<RequestId, PendingCall> calls_;
  std::function<void(const Status&)> connected_;  // null once called
  LinkId last_link_ = 0;
  std::string last_loss_;
  TimerId tick_ = 0;  // 0: none is set
  FailoverLink link_;
};

}  // namespace promptcache

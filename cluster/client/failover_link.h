// A link to one of several coordinators at a time: when it is lost, the next one is tried.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cluster/transport/connection.h"
#include "cluster/transport/transport.h"
#include "cluster/wire/messages.h"
#include "common/status.h"

namespace promptcache {

struct FailoverLinkOptions {
  std::vector<std::string> endpoints;  // at least one; the first is tried first
  std::string name;                    // of the client
  // Within this every one of them gets its turn before the first attempt is given up.
  std::chrono::milliseconds connect_timeout{5'000};
};

// All are called on the reactor thread and may call the link.
struct FailoverLinkEvents {
  std::function<void(const std::string& endpoint)> on_up;
  // The link was lost or left, or an attempt failed; another one follows by itself.
  std::function<void(const Status&)> on_down;
  // Before on_down, when all coordinators have refused this client, one after the other.
  std::function<void(const Status&)> on_refused;
  std::function<void(Envelope)> on_message;  // only while up
};

// Belongs to the reactor thread. The transport must outlive it.
class FailoverLink {
 public:
  FailoverLink(Transport& transport, FailoverLinkOptions options, FailoverLinkEvents events);
  ~FailoverLink();
  FailoverLink(const FailoverLink&) = delete;
  FailoverLink& operator=(const FailoverLink&) = delete;

  // Begins connecting. kInvalidArgument for an endpoint that can never work. Call once.
  Status Start();
  // Gives the link up as if it had been lost.
  void Leave(const Status& why);
  // As Connection::Send.
  Status Send(const Envelope& envelope);

 private:
  Status OpenNext();
  void OpenNextLater();
  void Down(const Status& why);

  Transport& transport_;
  const FailoverLinkOptions options_;
  const FailoverLinkEvents events_;
  std::unique_ptr<Connection> connection_;
  size_t next_endpoint_ = 0;
  uint32_t failures_ = 0;  // since something came over a link
  TimerId timer_ = 0;
};

}  // namespace promptcache

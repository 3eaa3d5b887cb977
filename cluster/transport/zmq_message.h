// ZeroMQ messages as this project sends and takes them. Internal to cluster/transport.
#pragma once

#include <zmq.h>

#include <span>
#include <string_view>

#include "cluster/transport/transport.h"

namespace promptcache {

// One received part. Its bytes live as long as it does.
class ZmqPart {
 public:
  ZmqPart() { zmq_msg_init(&raw_); }
  ~ZmqPart() { zmq_msg_close(&raw_); }
  ZmqPart(const ZmqPart&) = delete;
  ZmqPart& operator=(const ZmqPart&) = delete;

  // False when nothing has come. Does not wait.
  bool Receive(void* socket);
  // Another part of the same message follows.
  bool more() const { return zmq_msg_more(&raw_) != 0; }
  // Who the link's key belongs to, as the ZapHandler answered; empty: nobody asked.
  std::string_view user_id() const;
  std::span<const uint8_t> bytes() {
    return {static_cast<const uint8_t*>(zmq_msg_data(&raw_)), zmq_msg_size(&raw_)};
  }

 private:
  zmq_msg_t raw_;
};

// What becomes readable when something may have come for the socket: once, and not again before it
// was looked for until there was nothing, which sending does in part, too. Negative: none.
int EventFdOf(void* socket);

// Sends one part without waiting; `flags` as zmq_msg_send's. Shares the frame's bytes where that is
// cheaper than a copy. Negative: not sent, errno says why.
int SendPart(void* socket, const Frame& frame, int flags);

}  // namespace promptcache

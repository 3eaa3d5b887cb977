// What ZeroMQ tells about the connections of a socket. Internal to cluster/transport.
#pragma once

#include <functional>

#include "common/status.h"

namespace promptcache {

// Belongs to the reactor thread; is closed before the socket that it watches.
class ZmqMonitor {
 public:
  ~ZmqMonitor() { Close(); }

  // Watches for `events` (ZMQ_EVENT_...) of the socket. kUnavailable or kInternal when ZeroMQ
  // refuses.
  Status Open(void* context, void* socket, int events);
  // Takes out what has been told so far, one `on_event` each.
  void Drain(const std::function<void(int event)>& on_event);
  void Close();

  void* handle() const { return told_; }  // null: not open

 private:
  void* socket_ = nullptr;
  void* told_ = nullptr;
};

}  // namespace promptcache

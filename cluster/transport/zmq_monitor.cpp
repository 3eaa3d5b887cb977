#include "cluster/transport/zmq_monitor.h"

#include <zmq.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "cluster/transport/zmq_message.h"

namespace promptcache {
namespace {

// That wait for the reactor. ZeroMQ's I/O thread stops at a full queue.
constexpr int kMaxEvents = 100'000;

Status Failed() { return Unavailable(std::string("cannot watch it: ") + zmq_strerror(errno)); }

}  // namespace

Status ZmqMonitor::Open(void* context, void* socket, int events) {
  static std::atomic<uint64_t> counter{0};
  const std::string name = "inproc://promptcache-monitor-" + std::to_string(++counter);
  if (zmq_socket_monitor(socket, name.c_str(), events) != 0) return Failed();
  socket_ = socket;
  told_ = zmq_socket(context, ZMQ_PAIR);
  const int linger = 0;
  if (told_ == nullptr || zmq_setsockopt(told_, ZMQ_LINGER, &linger, sizeof(linger)) != 0 ||
      zmq_setsockopt(told_, ZMQ_RCVHWM, &kMaxEvents, sizeof(kMaxEvents)) != 0 ||
      zmq_connect(told_, name.c_str()) != 0) {
    return Failed();
  }
  return {};
}

void ZmqMonitor::Drain(const std::function<void(int event)>& on_event) {
  while (told_ != nullptr) {
    ZmqPart event;
    ZmqPart address;
    if (!event.Receive(told_)) return;
    (void)address.Receive(told_);
    uint16_t type = 0;
    if (event.bytes().size() < sizeof(type)) continue;
    std::memcpy(&type, event.bytes().data(), sizeof(type));
    on_event(type);
  }
}

void ZmqMonitor::Close() {
  if (socket_ != nullptr) zmq_socket_monitor(socket_, nullptr, 0);
  if (told_ != nullptr) zmq_close(told_);
  socket_ = told_ = nullptr;
}

}  // namespace promptcache

#include "cluster/transport/zmq_message.h"

#include <atomic>
#include <cerrno>
#include <cstring>

namespace promptcache {
namespace {

constexpr size_t kCopyBelowBytes = 512;  // cheaper than sharing

// Keeps the source of sent bytes alive. ZeroMQ passes it from thread to thread in an order that its
// queues guarantee but ThreadSanitizer cannot see; the flag shows it.
struct SentBytes {
  std::shared_ptr<const void> owner;
  std::atomic<bool> is_sent{false};
};

// Runs on any thread, when ZeroMQ is done with the bytes.
void ReleaseSent(void*, void* hint) {
  auto* sent = static_cast<SentBytes*>(hint);
  (void)sent->is_sent.load(std::memory_order_acquire);
  delete sent;
}

}  // namespace

bool ZmqPart::Receive(void* socket) {
  for (;;) {
    if (zmq_msg_recv(&raw_, socket, ZMQ_DONTWAIT) >= 0) return true;
    if (errno != EINTR) return false;
  }
}

std::string_view ZmqPart::user_id() const {
  const char* const user = zmq_msg_gets(&raw_, "User-Id");
  return user == nullptr ? std::string_view() : user;
}

int EventFdOf(void* socket) {
  int fd = -1;
  size_t size = sizeof(fd);
  if (socket == nullptr || zmq_getsockopt(socket, ZMQ_FD, &fd, &size) != 0) return -1;
  return fd;
}

int SendPart(void* socket, const Frame& frame, int flags) {
  const auto bytes = frame.bytes();
  zmq_msg_t message;
  if (bytes.size() < kCopyBelowBytes || frame.owner() == nullptr) {
    if (zmq_msg_init_size(&message, bytes.size()) != 0) return -1;
    if (!bytes.empty()) std::memcpy(zmq_msg_data(&message), bytes.data(), bytes.size());
  } else {
    auto sent = std::make_unique<SentBytes>();
    sent->owner = frame.owner();
    sent->is_sent.store(true, std::memory_order_release);
    // ZeroMQ does not write to what it sends.
    if (zmq_msg_init_data(&message, const_cast<uint8_t*>(bytes.data()), bytes.size(), &ReleaseSent,
                          sent.get()) != 0) {
      return -1;
    }
    sent.release();
  }
  const int sent = zmq_msg_send(&message, socket, flags | ZMQ_DONTWAIT);
  if (sent < 0) {
    const int error = errno;
    zmq_msg_close(&message);
    errno = error;
  }
  return sent;
}

}  // namespace promptcache

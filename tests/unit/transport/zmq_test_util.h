// Helpers of the tests with real sockets: waiting without sleeping, raw peers.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <initializer_list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "cluster/transport/transport.h"

namespace promptcache::testing {

inline constexpr std::chrono::seconds kPatience{30};

// What other threads push, in order. Pop waits up to kPatience.
template <typename T>
class Inbox {
 public:
  void Push(T item) {
    {
      std::lock_guard lock(mutex_);
      items_.push_back(std::move(item));
    }
    ready_.notify_one();
  }
  std::optional<T> Pop() {
    std::unique_lock lock(mutex_);
    ready_.wait_for(lock, kPatience, [this] { return !items_.empty(); });
    return Take();
  }
  std::optional<T> TryPop() {
    std::lock_guard lock(mutex_);
    return Take();
  }

 private:
  std::optional<T> Take() {
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    return item;
  }
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<T> items_;
};

// Asks again and again until `condition` holds; false after kPatience.
template <typename Condition>
bool Eventually(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) return true;
    std::this_thread::yield();
  }
  return false;
}

inline Frame TextFrame(const std::string& text) {
  return Frame::Copy({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}
inline std::string TextOf(const Frame& frame) {
  return std::string(reinterpret_cast<const char*>(frame.bytes().data()), frame.size());
}

// A new directory that goes with the object.
class TempDirectory {
 public:
  TempDirectory();
  ~TempDirectory();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Opens a TCP connection to the endpoint, writes the bytes and reads until the other side closes or
// nothing more comes.
void ThrowBytesAt(const std::string& endpoint, const std::string& bytes);

// A TCP connection to the endpoint over which nothing is ever said.
class IdleConnection {
 public:
  explicit IdleConnection(const std::string& endpoint);
  ~IdleConnection();
  IdleConnection(const IdleConnection&) = delete;
  IdleConnection& operator=(const IdleConnection&) = delete;

 private:
  int fd_;
};

// A peer that keeps no rules: any frames, any name.
class RawDealer {
 public:
  explicit RawDealer(const std::string& name = "");
  ~RawDealer();
  void Connect(const std::string& endpoint);
  void Send(std::initializer_list<std::string> frames);
  // Sends this frame until `most` are on their way or nothing moves any more, with as little as can
  // be waiting on this side. How many are on their way. REQUIRES: called instead of Connect.
  int ConnectAndFill(const std::string& endpoint, const std::string& frame, int most);
  std::string Receive();  // first frame of the next message; "(nothing came)" after kPatience

 private:
  void* context_;
  void* socket_;
};

}  // namespace promptcache::testing

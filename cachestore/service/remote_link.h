// Blocking calls over an asynchronous link. Internal to cachestore/service.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "cachestore/service/remote_store.h"
#include "cachestore/service/shared_window.h"
#include "cachestore/service/stream_pool.h"
#include "cluster/transport/connection.h"

namespace promptcache {

struct RemoteMessage {
  Message body;
  Frame payload;
};

// How bytes of blobs came.
enum class ReadWay : uint8_t { kWindow, kStream, kMessage };

// The messages that arrive for one request. Thread safe.
class Mailbox {
 public:
  // Nothing is kept of a store that sends more than `limit_bytes` ahead of its reader.
  explicit Mailbox(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  void Push(Result<RemoteMessage> message);
  // Waits for the next message. kUnavailable when none comes in time or the link is lost.
  Result<RemoteMessage> Pop(std::chrono::milliseconds timeout);

 private:
  const uint64_t limit_bytes_;

  std::mutex mutex_;
  std::condition_variable ready_;
  // Guarded by mutex_.
  std::deque<Result<RemoteMessage>> messages_;
  uint64_t bytes_ = 0;
};

// Thread safe but for what is said to run on the reactor thread. Held by shared_ptr: functions
// posted to the reactor keep it alive.
class RemoteLink : public std::enable_shared_from_this<RemoteLink> {
 public:
  RemoteLink(Transport& transport, const RemoteStoreOptions& options);
  void Start();  // posts
  void Stop();   // posts; no call succeeds afterwards

  const RemoteStoreOptions& options() const { return options_; }

  // Memory to read through, or null where there is none. What comes back must not be written by a
  // server any more; it is given to the next reader.
  std::unique_ptr<SharedWindow> TakeWindow();
  void GiveBack(std::unique_ptr<SharedWindow> window);

  StreamPool& streams() { return streams_; }

  void CountRead(uint64_t bytes, ReadWay way) { read_bytes_[static_cast<size_t>(way)] += bytes; }
  void CountCopied(uint64_t bytes) { copied_bytes_ += bytes; }
  RemoteReads reads() const {
    return {.window_bytes = read_bytes_[static_cast<size_t>(ReadWay::kWindow)],
            .stream_bytes = read_bytes_[static_cast<size_t>(ReadWay::kStream)],
            .message_bytes = read_bytes_[static_cast<size_t>(ReadWay::kMessage)],
            .copied_bytes = copied_bytes_};
  }

  // A request whose answers arrive in its mailbox until it goes.
  class Call {
   public:
    Call(std::shared_ptr<RemoteLink> link, Message request);
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    void Send(Message message, Frame payload = {});
    Result<RemoteMessage> Next() { return mailbox_->Pop(link_->options_.timeout); }
    // The store need not send more.
    void Abandon();

   private:
    const std::shared_ptr<RemoteLink> link_;
    const RequestId id_;
    const std::shared_ptr<Mailbox> mailbox_;
  };

  // kUnavailable unless the link is up within the connect timeout.
  Status WaitUp();

 private:
  void Open();  // on the reactor thread
  void SetDown(const Status& why);
  void SendNow(const RequestId& id, Message message, Frame payload);
  void FailAll(const Status& status);

  Transport& transport_;
  const RemoteStoreOptions options_;

  std::array<std::atomic<uint64_t>, 3> read_bytes_{};  // by way
  std::atomic<uint64_t> copied_bytes_ = 0;

  StreamPool streams_;

  std::mutex windows_mutex_;
  std::vector<std::unique_ptr<SharedWindow>> windows_;  // guarded by windows_mutex_

  std::mutex up_mutex_;
  std::condition_variable up_changed_;
  // Guarded by up_mutex_.
  bool up_ = false;
  std::string why_down_;

  // Owned by the reactor thread.
  std::unique_ptr<Connection> connection_;
  std::unordered_map<RequestId, std::shared_ptr<Mailbox>> mailboxes_;
};

}  // namespace promptcache

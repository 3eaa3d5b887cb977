// The reactor of a ZmqTransport: its sockets, timers and posted functions, and the loop that serves
// them. Internal to cluster/transport.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "cluster/transport/ready_set.h"
#include "cluster/transport/refusals.h"
#include "cluster/transport/timer_queue.h"
#include "cluster/transport/zap_handler.h"
#include "cluster/transport/zmq_socket.h"
#include "cluster/transport/zmq_transport.h"

namespace promptcache {

// Stop, Post and counters are thread safe; the rest belongs to the reactor thread.
class ZmqTransport::Impl {
 public:
  Impl(ZmqTransportOptions options, std::unique_ptr<ZapHandler> zap, ReadySet ready, int wake_fd)
      : options_(std::move(options)),
        wake_fd_(wake_fd),
        ready_set_(std::move(ready)),
        zap_(std::move(zap)) {
    if (zap_) CheckKeys();
  }
  ~Impl();

  Status WatchOwn();
  void Run();
  void Stop();
  Result<SocketId> Add(Result<std::unique_ptr<ZmqSocket>> socket, MessageHandler handler);
  void Close(SocketId id);
  ZmqSocket* Find(SocketId id) const;
  Status Send(SocketId id, PeerId peer, Frames frames);
  void Post(std::function<void()> function);

  void ReloadKeys() {
    if (zap_) zap_->ReloadKeys();
  }

  const std::shared_ptr<TransportContext>& context() const { return options_.context; }
  const LinkSecurity& security() const { return options_.security; }
  template <typename Options>
  SocketOptions OptionsOf(const Options& options, uint32_t unread_messages) const {
    return {options.max_message_bytes, options.high_water_messages, unread_messages,
            options_.linger,           &options_.security,          zap_ ? &zap_->keys() : nullptr};
  }
  TimerQueue& timers() { return timers_; }
  SteadyTime Now() const { return options_.clock->Now(); }
  TransportCounters counters() const {
    return {bad_frames_,      sent_, received_, refusals_.failed_handshakes, refusals_.unknown_keys,
            refusals_.revoked};
  }

 private:
  struct Entry {
    SocketId id = 0;
    std::unique_ptr<ZmqSocket> socket;  // null once closed
    MessageHandler handler;
    int event_fd = -1;
    int monitor_fd = -1;
    bool in_turn = false;  // it is in `turn_`, or has its turn
  };
  using EntryPtr = std::shared_ptr<Entry>;

  void Wake();
  void RunPosted();
  void RunTimers();
  void Poll();
  void TakeReady(uint64_t token);
  void PutInTurn(const EntryPtr& entry);
  void ServeKeys();
  void Serve(const EntryPtr& entry);
  void CheckKeys();
  void Shutdown();

  const ZmqTransportOptions options_;
  const int wake_fd_;

  // Of the reactor thread.
  ReadySet ready_set_;
  std::map<SocketId, EntryPtr> sockets_;
  // Those that may have something to be taken, whatever their descriptors say.
  std::vector<EntryPtr> turn_;
  bool zap_may_have_ = true;
  SocketId last_socket_ = 0;
  TimerQueue timers_;
  std::unique_ptr<ZapHandler> zap_;  // null without an allowlist
  RefusalLog refusal_log_;

  Refusals refusals_;
  std::atomic<uint64_t> bad_frames_{0};
  std::atomic<uint64_t> sent_{0};
  std::atomic<uint64_t> received_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by mutex_
  bool closed_ = false;                        // guarded by mutex_
};

}  // namespace promptcache

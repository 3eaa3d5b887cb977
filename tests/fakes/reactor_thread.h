// A ZmqTransport with a thread of its own.
#pragma once

#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "cluster/transport/zmq_transport.h"

namespace promptcache::testing {

// Aborts when the transport cannot be created.
class ReactorThread {
 public:
  explicit ReactorThread(std::shared_ptr<TransportContext> context = nullptr)
      : ReactorThread(ZmqTransportOptions{.context = std::move(context)}) {}
  explicit ReactorThread(ZmqTransportOptions options)
      : transport_(std::move(ZmqTransport::Create(WithoutLinger(std::move(options)))).value()),
        thread_([this] { transport_->Run(); }) {}
  ~ReactorThread() { Stop(); }

  // Ends the thread and closes the sockets, as the end of a process would.
  void Stop() {
    transport_->Stop();
    if (thread_.joinable()) thread_.join();
  }

  // Runs `function` on the reactor thread and waits for its result.
  template <typename Function>
  auto Call(Function function) {
    std::packaged_task<decltype(function())()> task(std::move(function));
    auto result = task.get_future();
    transport_->Post([&task] { task(); });
    return result.get();
  }

  ZmqTransport& transport() { return *transport_; }

 private:
  static ZmqTransportOptions WithoutLinger(ZmqTransportOptions options) {
    options.linger = std::chrono::milliseconds(0);
    return options;
  }

  std::unique_ptr<ZmqTransport> transport_;
  std::thread thread_;
};

}  // namespace promptcache::testing

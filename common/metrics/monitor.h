// Metrics and health of a process over HTTP:
//   /metrics  in the text format of Prometheus
//   /livez    200 while the reactor turns, else 503
//   /readyz   200 when the process can do its work, else 503 and the reason
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "common/metrics/reactor_reader.h"
#include "common/status.h"

namespace promptcache {

struct MonitorOptions {
  std::string endpoint;          // ADDRESS:PORT
  bool allow_plaintext = false;  // ADDRESS need not be loopback
  // A reactor that is busy for longer hangs.
  std::chrono::milliseconds patience{2'000};
};

// How a process is asked. All of it outlives the monitor.
struct MonitoredProcess {
  ReactorReader::Post post;
  ReactorReader::Fill on_reactor;
  // Optional, called on a thread of the monitor with what on_reactor said: for what may wait for a
  // disk. Any number of calls at a time.
  ReactorReader::Fill elsewhere;
};

// kInvalidArgument for an endpoint that is none, or leads beyond loopback without leave.
Status CheckMonitorOptions(const MonitorOptions& options);

class Monitor {
 public:
  // kInvalidArgument as above; kUnavailable when it cannot be listened on.
  static Result<std::unique_ptr<Monitor>> Start(const MonitorOptions& options,
                                                MonitoredProcess process);
  // Ends what is being answered. Destroy it when the reactor has stopped, or from another thread.
  virtual ~Monitor() = default;
  // With the port that 0 became.
  virtual const std::string& endpoint() const = 0;
};

}  // namespace promptcache

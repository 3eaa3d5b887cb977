// The monitor of a process that is built on a ZmqTransport.
#pragma once

#include <memory>
#include <string>

#include "cluster/transport/zmq_transport.h"
#include "common/config.h"
#include "common/metrics/monitor.h"

namespace promptcache {

void AddTransportMetrics(const TransportCounters& counters, Metrics& metrics);

// Null when `endpoint` is empty; errors as Monitor::Start. `on_reactor` and `elsewhere` as in
// MonitoredProcess; what the transport counts is added. The transport, and what the functions use,
// outlives the monitor or has stopped.
Result<std::unique_ptr<Monitor>> StartReactorMonitor(const std::string& endpoint,
                                                     const SecuritySettings& security,
                                                     ZmqTransport& transport,
                                                     ReactorReader::Fill on_reactor,
                                                     ReactorReader::Fill elsewhere = {});

}  // namespace promptcache

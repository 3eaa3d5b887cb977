#include "cluster/monitor/reactor_monitor.h"

#include <utility>

#include "common/log.h"

namespace promptcache {
namespace {

constexpr MetricRow<TransportCounters> kTable[] = {
    {{"promptcache_transport_sent_messages_total", MetricKind::kCounter, "", "Messages sent."},
     [](const TransportCounters& counters, MetricSeries& series) { series.Add(counters.sent); }},
    {{"promptcache_transport_received_messages_total", MetricKind::kCounter, "",
      "Messages received, without the bad ones."},
     [](const TransportCounters& counters, MetricSeries& series) {
       series.Add(counters.received);
     }},
    {{"promptcache_transport_bad_messages_total", MetricKind::kCounter, "",
      "Messages dropped because their frames are not those of a message."},
     [](const TransportCounters& counters, MetricSeries& series) {
       series.Add(counters.bad_frames);
     }},
    {{"promptcache_transport_refused_total", MetricKind::kCounter, "why",
      "What listeners refused: handshake (failed, or not gone on with), unknown_key (not on the "
      "allowlist), revoked (messages of a key that is not on it any more)."},
     [](const TransportCounters& counters, MetricSeries& series) {
       series.Add("handshake", counters.failed_handshakes);
       series.Add("unknown_key", counters.unknown_keys);
       series.Add("revoked", counters.revoked);
     }},
};

}  // namespace

void AddTransportMetrics(const TransportCounters& counters, Metrics& metrics) {
  ReadMetrics(kTable, counters, metrics);
}

Result<std::unique_ptr<Monitor>> StartReactorMonitor(const std::string& endpoint,
                                                     const SecuritySettings& security,
                                                     ZmqTransport& transport,
                                                     ReactorReader::Fill on_reactor,
                                                     ReactorReader::Fill elsewhere) {
  if (endpoint.empty()) return std::unique_ptr<Monitor>();
  MonitoredProcess process{
      .post = [&transport](std::function<void()> run) { transport.Post(std::move(run)); },
      .on_reactor =
          [&transport, fill = std::move(on_reactor)](ProcessReport& report) {
            fill(report);
            AddTransportMetrics(transport.counters(), report.metrics);
          },
      .elsewhere = std::move(elsewhere)};
  PC_ASSIGN_OR_RETURN(
      std::unique_ptr<Monitor> monitor,
      Monitor::Start({.endpoint = endpoint, .allow_plaintext = security.allow_plaintext},
                     std::move(process)));
  Log(LogLevel::kInfo, "metrics are served", {{"endpoint", monitor->endpoint()}});
  return monitor;
}

}  // namespace promptcache

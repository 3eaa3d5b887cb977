#include "worker/metrics/worker_metrics.h"

namespace promptcache {
namespace {

using enum MetricKind;
using State = MeasuredWorker;

template <auto kMember>
void Read(const State& state, MetricSeries& series) {
  series.Add(static_cast<double>(state.*kMember));
}

template <auto kMember>
void ReadHeartbeat(const State& state, MetricSeries& series) {
  series.Add(static_cast<double>(state.heartbeat.*kMember));
}

template <auto kMember>
void ReadImports(const State& state, MetricSeries& series) {
  for (const Source source : ImportCounters::kSources) {
    series.Add(SourceName(source), static_cast<double>(state.imports.of(source).*kMember));
  }
}

constexpr MetricRow<State> kTable[] = {
    {{"promptcache_worker_active_requests", kGauge, "", "Requests that run."},
     ReadHeartbeat<&Heartbeat::active>},
    {{"promptcache_worker_queued_requests", kGauge, "", "Requests that wait for slots."},
     ReadHeartbeat<&Heartbeat::queued>},
    {{"promptcache_worker_slots", kGauge, "", "Answers that may run at a time."},
     Read<&State::slots>},
    {{"promptcache_worker_finished_requests_total", kCounter, "", "Requests that have ended."},
     ReadHeartbeat<&Heartbeat::requests>},
    {{"promptcache_worker_generated_tokens_total", kCounter, "", "Tokens of answers."},
     ReadHeartbeat<&Heartbeat::generated_tokens>},
    {{"promptcache_worker_units", kGauge, "", "Units in memory."},
     ReadHeartbeat<&Heartbeat::units>},
    {{"promptcache_worker_unit_bytes", kGauge, "", "Bytes of units in memory."},
     ReadHeartbeat<&Heartbeat::unit_bytes>},
    {{"promptcache_worker_unit_limit_bytes", kGauge, "", "How many bytes of units there may be."},
     Read<&State::unit_limit_bytes>},
    {{"promptcache_worker_imported_units_total", kCounter, "tier",
      "Units that requests imported, by where they came from: device, host, disk, remote, or "
      "encoded here."},
     ReadImports<&ImportCounters::OfSource::units>},
    {{"promptcache_worker_imported_bytes_total", kCounter, "tier",
      "Bytes of units that requests imported."},
     ReadImports<&ImportCounters::OfSource::bytes>},
    {{"promptcache_worker_import_wait_seconds_total", kCounter, "tier",
      "Time that requests waited for units."},
     ReadImports<&ImportCounters::OfSource::wait_s>},
    {{"promptcache_worker_corruptions_total", kCounter, "",
      "Stored units that failed verification and were encoded again."},
     Read<&State::corruptions>},
    {{"promptcache_worker_put_failures_total", kCounter, "",
      "Encoded units that could not be stored."},
     Read<&State::put_failures>},
    {{"promptcache_worker_prefill_tokens_per_second", kGauge, "",
      "The measured speed of prompts; 0 before the first."},
     ReadHeartbeat<&Heartbeat::prefill_tokens_per_s>},
    {{"promptcache_worker_backlog_seconds", kGauge, "",
      "Work before a request that would come now."},
     ReadHeartbeat<&Heartbeat::backlog_seconds>},
    {{"promptcache_worker_kv_use_ratio", kGauge, "",
      "Use of the memory for running requests, 0 to 1."},
     ReadHeartbeat<&Heartbeat::kv_use>},
    {{"promptcache_worker_draining", kGauge, "", "1 while it takes no new requests."},
     ReadHeartbeat<&Heartbeat::draining>},
    {{"promptcache_worker_coordinators", kGauge, "", "Coordinators that it has a link to."},
     Read<&State::coordinators>},
};

}  // namespace

void AddWorkerMetrics(const MeasuredWorker& state, Metrics& metrics) {
  ReadMetrics(kTable, state, metrics);
}

Status ReadinessOf(const MeasuredWorker& state) {
  if (state.coordinators == 0) return Unavailable("no coordinator is reachable");
  if (state.heartbeat.draining) return Unavailable("draining");
  return {};
}

}  // namespace promptcache

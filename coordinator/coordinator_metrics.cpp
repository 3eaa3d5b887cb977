#include "coordinator/coordinator_metrics.h"

#include <algorithm>

#include "cluster/transport/link_faults.h"

namespace promptcache {
namespace {

using enum MetricKind;
using State = CoordinatorState;

std::string LabelOf(Code code) {
  std::string label(CodeName(code));
  std::replace(label.begin(), label.end(), ' ', '_');
  return label;
}

void AddByCode(const CountsByCode& counts, MetricSeries& series) {
  for (size_t code = 0; code < counts.size(); ++code) {
    series.Add(LabelOf(static_cast<Code>(code)), counts[code]);
  }
}

void AddTiers(const State& state, MetricSeries& series) {
  const TierTokens& tokens = state.status.tokens;
  series.Add("device", tokens.device);
  series.Add("host", tokens.host);
  series.Add("disk", tokens.disk);
  series.Add("remote", tokens.remote);
  series.Add("encoded", tokens.encoded);
}

void AddFaults(const State& state, MetricSeries& series) {
  const PeerCounters tables[] = {state.clients, state.workers};
  AddLinkFaults(tables, series);
}

void AddWorkers(const State& state, MetricSeries& series) {
  double open = 0;
  double draining = 0;
  for (const WorkerStatus& worker : state.status.workers) {
    draining += worker.draining ? 1 : 0;
    open += worker.live && !worker.draining ? 1 : 0;
  }
  series.Add("open", open);
  series.Add("draining", draining);
  series.Add("starting", static_cast<double>(state.status.workers.size()) - open - draining);
}

template <auto kMember>
void AddOfEachWorker(const State& state, MetricSeries& series) {
  for (const WorkerStatus& worker : state.status.workers) {
    series.Add(worker.name, worker.*kMember);
  }
}

constexpr MetricRow<State> kTable[] = {
    {{"promptcache_requests_accepted_total", kCounter, "", "Requests that were accepted."},
     [](const State& state, MetricSeries& series) { series.Add(state.requests.accepted); }},
    {{"promptcache_requests_ended_total", kCounter, "code",
      "Requests that have ended, by the code of their FINAL: ok, or why not; also those that were "
      "refused before they were accepted."},
     [](const State& state, MetricSeries& series) { AddByCode(state.requests.ended, series); }},
    {{"promptcache_requests_rejected_total", kCounter, "",
      "Requests that no worker could have begun before their deadline."},
     [](const State& state, MetricSeries& series) { series.Add(state.requests.rejected); }},
    {{"promptcache_requests_over_limit_total", kCounter, "",
      "Requests refused because their tenant had as many as it may have; items of batches count at "
      "each try."},
     [](const State& state, MetricSeries& series) { series.Add(state.requests.over_limit); }},
    {{"promptcache_requests_retried_total", kCounter, "",
      "Requests given to another worker, because the one before was lost or gave them back."},
     [](const State& state, MetricSeries& series) { series.Add(state.requests.retries); }},
    {{"promptcache_requests_resumed_total", kCounter, "",
      "Requests found at a worker, or gone on with behind what was delivered."},
     [](const State& state, MetricSeries& series) { series.Add(state.requests.resumed); }},
    {{"promptcache_prefetched_units_total", kCounter, "",
      "Units that another worker was told to load, because one was asked for them too often."},
     [](const State& state, MetricSeries& series) { series.Add(state.requests.prefetched); }},
    {{"promptcache_requests_active", kGauge, "", "Requests that have not ended."},
     [](const State& state, MetricSeries& series) { series.Add(state.status.requests_active); }},
    {{"promptcache_requests_waiting", kGauge, "", "Requests that wait for a worker."},
     [](const State& state, MetricSeries& series) { series.Add(state.status.requests_waiting); }},
    {{"promptcache_time_to_first_token_seconds", kHistogram, "",
      "From the arrival of a request to its first token."},
     [](const State& state, MetricSeries& series) { series.Add(state.ttft_s); }},
    {{"promptcache_request_duration_seconds", kHistogram, "",
      "From the arrival of a request to its end, whatever it was."},
     [](const State& state, MetricSeries& series) { series.Add(state.duration_s); }},
    {{"promptcache_dispatch_seconds", kHistogram, "",
      "What it took to decide where a planned request goes."},
     [](const State& state, MetricSeries& series) { series.Add(state.dispatch_s); }},
    {{"promptcache_imported_tokens_total", kCounter, "tier",
      "Tokens of units that prompts imported, by where the units came from: device, host, disk, "
      "remote, or encoded for the request."},
     AddTiers},
    {{"promptcache_generated_tokens_total", kCounter, "", "Tokens of answers."},
     [](const State& state, MetricSeries& series) { series.Add(state.generated_tokens); }},
    {{"promptcache_workers", kGauge, "state",
      "Connected workers: open (get requests), draining, or starting (not yet warm)."},
     AddWorkers},
    {{"promptcache_routed_backlog_seconds", kGauge, "worker",
      "Work before each worker, as routing sees it."},
     AddOfEachWorker<&WorkerStatus::backlog_seconds>},
    {{"promptcache_routed_slots", kGauge, "worker",
      "Slots of requests that this coordinator gave each worker."},
     AddOfEachWorker<&WorkerStatus::assigned>},
    {{"promptcache_routed_calibration_ratio", kGauge, "worker",
      "How much longer the work of each worker takes than its rates say."},
     AddOfEachWorker<&WorkerStatus::calibration>},
    {{"promptcache_batches", kGauge, "", "Batches that this coordinator runs."},
     [](const State& state, MetricSeries& series) { series.Add(state.batches.batches); }},
    {{"promptcache_batch_items", kGauge, "state",
      "Items of these batches without a result: waiting or running."},
     [](const State& state, MetricSeries& series) {
       series.Add("waiting", state.batches.waiting);
       series.Add("running", state.batches.running);
     }},
    {{"promptcache_batch_items_ended_total", kCounter, "code",
      "Items of batches whose results are kept, by the code of the result: ok, or why not."},
     [](const State& state, MetricSeries& series) { AddByCode(state.batches.ended, series); }},
    {{"promptcache_client_links", kGauge, "", "Connected clients."},
     [](const State& state, MetricSeries& series) {
       series.Add(static_cast<double>(state.client_links));
     }},
    {{"promptcache_link_faults_total", kCounter, "fault",
      "Links of clients and workers that ended, or were not made, by fault: bad_message, stranger "
      "(no greeting), refused, expired (silent), impostor, forbidden (message of another role), "
      "revoked."},
     AddFaults},
    {{"promptcache_schemas", kGauge, "", "Registered versions of schemas."},
     [](const State& state, MetricSeries& series) { series.Add(state.status.schemas); }},
    {{"promptcache_meta_available", kGauge, "", "1 while the cachestore that keeps schemas is up."},
     [](const State& state, MetricSeries& series) {
       series.Add(state.status.meta_available ? 1 : 0);
     }},
};

}  // namespace

void AddCoordinatorMetrics(const CoordinatorState& state, Metrics& metrics) {
  ReadMetrics(kTable, state, metrics);
}

}  // namespace promptcache

// What operators and coordinators say.
#include "tests/unit/wire/samples/samples.h"

namespace promptcache::testing {
namespace {

WorkerStatus SampleWorker() {
  return {.name = "worker-1",
          .pid = 4242,
          .model = "smol",
          .device = "cuda:0",
          .identity = SampleIdentity(),
          .live = false,
          .active = 1,
          .queued = 2,
          .slots = 8,
          .units = 3,
          .unit_bytes = 1ULL << 33,
          .unit_limit_bytes = 1ULL << 34,
          .requests = 99,
          .prefill_tokens_per_s = 812.5};
}

StatusReply SampleStatus() {
  return {.coordinator = "c",
          .pid = 77,
          .uptime_ms = 1'234'567,
          .meta_available = true,
          .model = "smol",
          .context_length = 2048,
          .schemas = 4,
          .requests_active = 5,
          .requests_accepted = 600,
          .requests_failed = 7,
          .bad_frames = 8,
          .workers = {SampleWorker(), {.name = "worker-2"}}};
}

RequestReport SampleReport() {
  RequestReport report{.trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                       .client = "shop",
                       .tenant = "acme",
                       .schema = "support",
                       .version = "0123456789abcdef",
                       .received_unix_ms = 1'700'000'000'789,
                       .planned_ms = 0.5,
                       .first_token_ms = 20.25,
                       .ended_ms = 300.125,
                       .code = Code::kUnavailable,
                       .message = "lost",
                       .usage = SampleUsage()};
  report.id.bytes.fill(0x5a);
  report.attempts = {{.attempt = 65'536,
                      .worker = "worker-1",
                      .given_ms = 1.5,
                      .end = "worker lost",
                      .routes = {{.worker = "worker-1",
                                  .room = true,
                                  .full = true,
                                  .device_tokens = 212,
                                  .wait_s = 0.25,
                                  .work_s = 0.5,
                                  .congestion_s = 1,
                                  .displacement_s = 2,
                                  .kv_s = 4,
                                  .tie_s = 0.125,
                                  .total = 7.875},
                                 {.worker = "worker-2"}}},
                     {.attempt = 65'537, .worker = "worker-2"}};
  return report;
}

}  // namespace

LinkSamples OperatorSamples() {
  ExplainQuery query;
  query.request.emplace().bytes.fill(0x5a);
  WorkerStatus worker = SampleWorker();
  worker.draining = true;
  worker.assigned = 3;
  worker.backlog_seconds = 0.75;
  worker.kv_use = 0.5;
  worker.calibration = 1.25;
  worker.generated_tokens = 1ULL << 33;
  return {.messages = {StatusQuery{}, SampleStatus(),
                       UnitsDrop{.keys = {SampleDigest(25), SampleDigest(26)}},
                       UnitsDropped{
                           .workers = {{"worker-1", 2, {SampleDigest(26)}}, {"worker-2", 0, {}}}},
                       DrainWorker{.worker = "worker-1", .change = DrainChange::kResume}, query,
                       ExplainReply{.requests = {SampleReport(), {}}}},
          .appended = {{"fleet", StatusReply{.workers = {worker},
                                             .policy = "cost",
                                             .requests_waiting = 2,
                                             .requests_rejected = 3,
                                             .requests_resumed = 4,
                                             .tokens = {1, 2, 3, 4, 1ULL << 40},
                                             .ttft_ms = {5, 9.5, 20.25, 1'000}}},
                       {"slowest", ExplainQuery{}}}};
}

}  // namespace promptcache::testing

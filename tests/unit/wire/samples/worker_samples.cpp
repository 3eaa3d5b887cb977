// What workers and coordinators say.
#include "tests/unit/wire/samples/samples.h"

namespace promptcache::testing {
namespace {

Plan SamplePlan() {
  return {.units = {{SampleDigest(1), "support", 12}, {SampleDigest(2), "support/refunds", 300}},
          .segments = {{0, 0, 12, 0, 0}, {1, 100, 200, 40, -60}},
          .new_tokens = {{5, 6, 7}, {240, 241, 300}},
          .next_position = 301,
          .repair = Repair::kLinked};
}

Recipe SampleRecipe(EncodingMode mode) {
  return {.mode = mode, .context = {{1, 2}, {-9, -8}}, .own = {{3, 4, 5}, {0, 1, 7}}};
}

}  // namespace

LinkSamples WorkerSamples() {
  Plan plan = SamplePlan();
  plan.units[0].lifetime = {.ttl_ms = 1ULL << 40, .pinned = false};
  plan.units[1].lifetime = {.ttl_ms = 0, .pinned = true};
  const Recipe hidden{.mode = EncodingMode::kScaffoldSet,
                      .context = {{1}, {-4}},
                      .own = {{2, 3, 4, 5, 6, 7}, {0, 1, 2, 8, 9, 10}},
                      .hidden = {{1, 1}, {3, 2}}};
  Plan linked = SamplePlan();
  linked.linked_tokens = 16;
  linked.repaired_tokens = 2;
  const Delivered delivered{.parts = 7, .samples = {{10, 11}, {}, {12}}};
  return {
      .messages = {WorkerReady{.pid = 4242,
                               .model = "smol",
                               .device = "cpu",
                               .identity = SampleIdentity(),
                               .context_length = 2048,
                               .slots = 8,
                               .unit_limit_bytes = 1ULL << 32},
                   Heartbeat{.active = 1,
                             .queued = 2,
                             .units = 3,
                             .unit_bytes = 4,
                             .requests = 5,
                             .backlog_seconds = 0.5,
                             .prefill_tokens_per_s = 812.5},
                   Residency{.seq = 9,
                             .snapshot = true,
                             .added = {SampleDigest(5), SampleDigest(6)},
                             .removed = {SampleDigest(7)}},
                   ResidencyResync{}, Run{.plan = SamplePlan(), .options = SampleOptions()},
                   RecipeQuery{.digests = {SampleDigest(8)}},
                   RecipeReply{.recipes = {SampleRecipe(EncodingMode::kAnchored),
                                           SampleRecipe(EncodingMode::kSchema)},
                               .unknown = {SampleDigest(9), SampleDigest(10)}},
                   RequestQuery{},
                   RequestState{.phase = RequestPhase::kEnded, .attempt = 65'537, .parts = 9},
                   Adopt{.delivered = {.parts = 7, .samples = {{10, 11}, {}, {12}}}}},
      .appended = {
          {"lifetime", Run{.plan = plan}},
          {"linked", Run{.plan = linked}},
          {"schema", Run{.plan = SamplePlan(), .schema = "support", .version = "0123456789abcdef"}},
          {"hidden", RecipeReply{.recipes = {hidden}}},
          {"again", Run{.plan = SamplePlan(), .delivered = delivered}},
          {"rates", WorkerReady{.identity = SampleIdentity(), .kv_bytes_per_token = 1 << 17}},
          {"rates", Heartbeat{.draining = true,
                              .kv_use = 0.25,
                              .host = {0.001, 2e10},
                              .disk = {0.01, 3e9},
                              .remote = {0.02, 1e9},
                              .generated_tokens = 77,
                              .residency_seq = 9,
                              .residency_digest = 0xfedcba9876543210}},
          {"tenant", Run{.plan = SamplePlan(),
                         .tenant = "acme",
                         .domain = 0xfedcba9876543210,
                         .warming = true}}}};
}

}  // namespace promptcache::testing

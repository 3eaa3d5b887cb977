// What clients and coordinators say, but for operators.
#include "tests/unit/wire/samples/samples.h"

namespace promptcache::testing {

LinkSamples ClientSamples() {
  RequestId batch;
  batch.bytes.fill(0x3c);
  const Submit submit{
      .model = "smol", .prompt = "<prompt schema=\"s\"/>", .options = SampleOptions()};
  const Final final{.message = "ok", .usage = SampleUsage()};
  const std::vector<SourceFile> sources = {{"texts/a.txt", "line\nna\xc3\xafve"}, {"b", ""}};
  const TokenLogprobs logprobs = {{10, -0.25, "na"}, {{10, -0.25, "na"}, {11, -2.5, "\xc3"}}};
  Usage usage = SampleUsage();
  usage.linked_tokens = 16;
  usage.recomputed_tokens = 2;
  const Delivered delivered{.parts = 7, .samples = {{10, 11}, {}, {12}}};
  return {
      .messages =
          {Submit{.model = "smol",
                  .prompt = "<prompt schema=\"support\"><refunds/>Hi</prompt>",
                  .options = SampleOptions(),
                  .reuse = ReuseMode::kFullContiguous,
                  .repair = Repair::kBlended},
           Accepted{.schema = "support", .version = "0123456789abcdef", .prompt_tokens = 215},
           Partial{.seq = 3, .tokens = {10, 11}, .text = "na\xc3\xafve"},
           Final{.code = Code::kDeadlineExceeded, .message = "late", .usage = SampleUsage()},
           Cancel{}, SchemaAdd{.file = "support.xml", .document = "<schema/>", .max_tokens = 64},
           SchemaList{.name = "support"},
           SchemaReply{.schemas = {{.name = "support",
                                    .version = "0123456789abcdef",
                                    .tokens = 1500,
                                    .units = 9,
                                    .registered_unix_ms = 1'700'000'000'000,
                                    .current = false,
                                    .document = "<schema/>"},
                                   {.name = "b"}}},
           SchemaRemove{.name = "support@0123456789abcdef"},
           BatchAdd{.items = {{"row-1", submit, 60'000}, {}}},
           BatchQuery{.batch = batch, .first = 7, .limit = 100},
           BatchReply{
               .batches = {{batch, "acme", 1'700'000'000'123, 20, 9, 1, "coordinator-2"}, {}},
               .results = {{3, "row-4", final, {{{10, 11}, "na"}, {}}}, {}},
               .more = true},
           BatchRemove{.batch = batch}},
      .appended = {
          {"samples", Submit{.options = {.samples = 4, .logprobs = 2}}},
          {"samples", Partial{.tokens = {10}, .sample = 3, .logprobs = {logprobs}}},
          {"samples", Final{.usage = {.samples = {{FinishReason::kStop, 7}, {}}}}},
          {"linked", Final{.usage = usage}},
          {"linked", Submit{.repair = Repair::kLinked, .linked_tokens = 16}},
          {"none", Submit{.repair = Repair::kNone}},
          {"sources", SchemaAdd{.file = "s.xml", .document = "<schema/>", .sources = sources}},
          {"sources", SchemaReply{.schemas = {{.name = "s", .sources = sources}}}},
          {"again", Submit{.priority = 3,
                           .tried = {"tcp://127.0.0.1:7420", "ipc://b"},
                           .delivered = delivered}},
          {"retry", Final{.code = Code::kBusy, .retry_after_ms = 1'500}},
          {"version", Submit{.prompt = "<prompt schema=\"s\"/>", .version = "0123456789abcdef"}},
          {"shared", SchemaAdd{.document = "<schema/>", .shared = true}},
          {"shared", SchemaReply{.schemas = {{.name = "s", .tenant = "acme", .shared = true}}}},
          {"list", BatchQuery{}}}};
}

}  // namespace promptcache::testing

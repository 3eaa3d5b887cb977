#include <fmt/format.h>

#include "common/config.h"
#include "common/config_table.h"
#include "common/thread_team.h"
#include "common/types.h"

namespace promptcache {
namespace internal {
namespace {

constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kGiB = 1 << 30;
constexpr int64_t kDayMs = 86'400'000;

// One row a setting: the member, its default, limits (integers), unit and meaning.
#define PC_TEXT(table, member, fallback, meaning)                                                  \
  SettingRow {                                                                                     \
#table, #member, [](Settings & s) -> SettingTarget { return &s.table.member; },                \
                                                                                 static_cast <     \
                                                                                     const char*>  \
                                                                                     (fallback),   \
                                                                                 0, 0, "", meaning \
  }
#define PC_NUMBER(table, member, fallback, minimum, maximum, unit, meaning)                   \
  SettingRow {                                                                                \
#table, #member,                                                                          \
        [](Settings &                                                                         \
           s) -> SettingTarget { return &s.table.member; }, static_cast < int64_t>(fallback), \
                                                         minimum, maximum, unit, meaning      \
  }
#define PC_SWITCH(table, member, fallback, meaning)                                              \
  SettingRow {                                                                                   \
#table, #member, [](Settings & s) -> SettingTarget { return &s.table.member; }, fallback, 0, \
                                                                                 1, "", meaning  \
  }

#define PC_TEXTS(table, member, fallback, meaning)                                                \
  SettingRow {                                                                                    \
#table, #member,                                                                              \
        [](Settings & s) -> SettingTarget { return &s.table.member; }, TextList{fallback }, 0, 0, \
                                                                                "", meaning       \
  }

const SettingRow kRows[] = {
    PC_TEXT(coordinator, client_endpoint, "tcp://127.0.0.1:7420",
            "Where clients connect: tcp://ADDRESS:PORT (* for any free port), ipc://PATH or "
            "inproc://NAME. Without security.own_key only loopback addresses are accepted; with it "
            "who connects writes #KEY behind, the listener's public key."),
    PC_TEXT(coordinator, worker_endpoint, "tcp://127.0.0.1:7421", "Where workers connect."),
    PC_TEXT(coordinator, store_endpoint, "",
            "The cachestore that keeps schemas. Empty: schemas live in memory and are lost with "
            "the process."),
    PC_TEXT(coordinator, model, "",
            "GGUF file or Hugging Face directory of the model; the coordinator reads its tokenizer "
            "and metadata only."),
    PC_TEXT(coordinator, chat_template, "auto",
            "Chat template for role markers: auto (from the model file), llama2, falcon, mpt, "
            "chatml, llama3, none, or a file ending in .toml."),
    PC_NUMBER(coordinator, max_prompt_bytes, 8 * kMiB, 1, 64 * kMiB, "bytes",
              "Longer prompts are refused."),
    PC_NUMBER(coordinator, max_schema_bytes, 64 * kMiB, 1, 64 * kMiB, "bytes",
              "Longer schemas, with the files they name, are refused."),
    PC_NUMBER(coordinator, pml_depth, 64, 1, 256, "elements", "Nesting of elements in a document."),
    PC_NUMBER(coordinator, pml_elements, 100'000, 1, 10'000'000, "elements",
              "Elements of a document."),
    PC_NUMBER(coordinator, pml_attributes, 64, 1, 4096, "attributes", "Attributes of an element."),
    PC_NUMBER(coordinator, pml_name_bytes, 256, 1, 65'536, "bytes",
              "Names of elements, attributes, schemas, modules and parameters."),
    PC_NUMBER(coordinator, pml_attribute_bytes, kMiB, 1, 64 * kMiB, "bytes",
              "The value of an attribute, such as an argument."),
    PC_NUMBER(coordinator, pml_units, 65'536, 1, 1'000'000, "units",
              "Modules and scaffold sets of a schema."),
    PC_NUMBER(coordinator, pml_set_tokens, 16 * kMiB, 1, kGiB, "tokens",
              "All scaffold sets of a schema together, with what they are encoded behind."),
    PC_NUMBER(coordinator, pml_pieces, 1'000'000, 1, 100'000'000, "pieces",
              "Tags, comments, CDATA sections, role markers and texts of a document together."),
    PC_NUMBER(coordinator, max_active_requests, 1024, 1, 1'000'000, "requests",
              "More requests at once are answered busy."),
    PC_NUMBER(coordinator, default_deadline_ms, 600'000, 1, kDayMs, "ms",
              "Deadline of a request that names none."),
    PC_NUMBER(coordinator, worker_wait_ms, 10'000, 0, kDayMs, "ms",
              "How long a request waits for a worker when none is live, before it fails as "
              "unavailable."),
    PC_TEXT(coordinator, repair, "none",
            "Repair of a request that names none: none, linked (the first tokens of every run of a "
            "module's cached tokens are computed again) or full (nothing is reused)."),
    PC_NUMBER(coordinator, linked_tokens, 4, 1, kMaxLinkedTokens, "tokens",
              "Tokens of every run that repair linked computes again, unless the request says how "
              "many."),
    PC_TEXT(coordinator, policy, "cost",
            "Which worker gets a request: cost (the least seconds, for it and those after it), "
            "rendezvous (always the schema's home), bounded_load (the nearest home that is not "
            "overloaded) or shortest_queue."),
    PC_NUMBER(coordinator, queue_bound_ms, 2'000, 1, 600'000, "ms",
              "A worker with more work before it than this gets nothing new; requests for it wait "
              "in the coordinator, where they can still go to another one."),
    PC_NUMBER(coordinator, prefetch_requests, 100, 0, 1'000'000, "requests",
              "When more requests than this want the same module of one worker within ten seconds, "
              "the next worker in the module's order of homes loads it too. 0: never."),
    PC_NUMBER(coordinator, batch_requests, 16, 1, 4096, "requests",
              "Prompts of batches that run at once; others go first where requests wait."),
    PC_TEXTS(coordinator, warm, nullptr,
             "Schemas (NAME or NAME@VERSION; TENANT/NAME of a tenant) whose modules a new worker "
             "loads or encodes before it gets requests."),
    PC_NUMBER(coordinator, heartbeat_ms, 500, 10, 60'000, "ms",
              "Peers are asked to send something at least this often."),
    PC_NUMBER(coordinator, lease_ms, 3'000, 30, 600'000, "ms",
              "A peer that is silent this long is taken for gone."),
    PC_TEXT(coordinator, metrics_endpoint, "",
            "Loopback ADDRESS:PORT (0 for any free port) for /metrics, /livez and /readyz over "
            "HTTP. Empty: none."),

    PC_TEXT(store, endpoint, "tcp://127.0.0.1:7422", "Where workers and coordinators connect."),
    PC_TEXT(store, directory, "promptcache-store",
            "RocksDB directory; created when missing. Only one process may write it."),
    PC_NUMBER(store, max_blob_bytes, 8 * kGiB, kMiB, 64 * kGiB, "bytes",
              "Larger blobs are refused."),
    PC_NUMBER(
        store, quota_bytes, 64 * kGiB, 0, 1024 * 1024 * kGiB, "bytes",
        "Of all blobs with their files; what saves the fewest seconds a byte leaves first. 0: "
        "as much as the disk has."),
    PC_NUMBER(store, pin_quota_bytes, 32 * kGiB, 0, 1024 * 1024 * kGiB, "bytes",
              "Of all pinned blobs; pins beyond it are refused."),
    PC_NUMBER(store, use_half_life_s, 86'400, 1, 365 * 86'400, "s",
              "After this long an import counts half as much."),
    PC_NUMBER(store, min_free_bytes, 64 * kMiB, 0, 1024 * kGiB, "bytes",
              "Blobs that would leave less free on the disk are refused; below an eighth of it the "
              "store only reads until there is room."),
    PC_NUMBER(store, threads, 2, 1, 64, "threads", "Threads that read and write the disk."),
    PC_NUMBER(store, transfer_idle_ms, 60'000, 100, kDayMs, "ms",
              "A put or a fetch whose peer does not go on for this long is ended."),
    PC_NUMBER(store, stream_port, 0, 0, 65'535, "",
              "Where workers on plain links read blobs over bare tcp, on the host of "
              "store.endpoint. 0: any free one. With store keys there is none."),
    PC_SWITCH(store, meta, true, "Keep schemas and other small records for coordinators."),
    PC_TEXT(store, metrics_endpoint, "", "As coordinator.metrics_endpoint."),

    PC_TEXT(worker, name, "worker-1", "Unique name of the worker in its cluster."),
    PC_TEXT(worker, model, "", "GGUF file or Hugging Face directory of the model."),
    PC_TEXT(worker, device, "cpu", "cpu, or cuda:N for the N-th GPU."),
    PC_TEXT(worker, dtype, "auto",
            "Compute type: fp32, bf16, or auto (bf16 where the device is fast at it)."),
    PC_NUMBER(worker, threads, 0, 0, kMaxThreads, "threads",
              "CPU threads for the model; 0: one per core."),
    PC_NUMBER(worker, slots, 8, 1, 1024, "requests",
              "Answers that share the model's steps: one for each sample of a request."),
    PC_NUMBER(worker, queue_limit, 256, 1, 1'000'000, "requests",
              "Requests that wait for a slot; more are answered busy."),
    PC_NUMBER(worker, unit_cache_bytes, 4 * kGiB, kMiB, 1024 * kGiB, "bytes",
              "Memory for encoded units; the least recently used leave first."),
    PC_NUMBER(worker, prefill_chunk_tokens, 4096, 16, 1 << 20, "tokens",
              "A longer prefill is split into steps of this size, so that other requests go on."),
    PC_NUMBER(worker, store_timeout_ms, 5'000, 10, 600'000, "ms",
              "A load that takes longer becomes an encode."),
    PC_TEXT(
        worker, store_compression, "none",
        "none; zstd (smaller, nothing lost); int8 (half of bf16, with a bounded loss, under keys "
        "of its own); or int8-zstd."),
    PC_TEXTS(worker, coordinator_endpoints, "tcp://127.0.0.1:7421", "The coordinators to serve."),
    PC_TEXT(
        worker, store_endpoint, "",
        "The cachestore to load units from and save them to. Empty: units live in memory only."),
    PC_TEXT(worker, metrics_endpoint, "", "As coordinator.metrics_endpoint."),

    PC_NUMBER(cluster, workers, 2, 1, 256, "processes", "Workers that `promptcache up` starts."),
    PC_TEXT(cluster, gpus, "",
            "One worker for each GPU in place of cluster.workers: all, or their numbers, such as "
            "0,1,3. Empty: workers run on worker.device."),
    PC_TEXT(cluster, run_directory, "promptcache-run",
            "Where `promptcache up` keeps logs, ready files and, by default, the store."),

    PC_TEXT(
        security, own_key, "",
        "Key file of `promptcache keygen`, or a directory that holds NAME.key for each process: "
        "coordinator, store, client (for the command line) and each worker.name. Every tcp and "
        "ipc link is encrypted then. Empty: links are plain."),
    PC_TEXT(security, keys, "",
            "Whom coordinator and cachestore let in: the file of `promptcache keys allow`. Read "
            "again on SIGHUP and when it has changed."),
    PC_TEXTS(
        security, tenant_limits, nullptr,
        "What a tenant may have at once, such as \"acme requests=64 bytes=10GiB pinned=1GiB\": "
        "requests in a coordinator, bytes of units in a cachestore, and of those the pinned "
        "ones. The name * is every tenant without a line of its own."),
    PC_SWITCH(security, allow_plaintext, false,
              "Without own_key: allow addresses beyond loopback all the same. Whoever reaches them "
              "may read, forge and delete. With or without: metrics_endpoint, too, may lead beyond "
              "loopback; whoever reaches it may read it."),

    PC_TEXT(log, level, "info", "debug, info, warning, error or off."),
    PC_TEXT(log, format, "text", "text, or json for one object a line."),
};

#undef PC_TEXT
#undef PC_TEXTS
#undef PC_NUMBER
#undef PC_SWITCH

}  // namespace

std::span<const SettingRow> SettingRows() { return kRows; }

}  // namespace internal

namespace {

struct FallbackAsToml {
  std::string operator()(const char* text) const { return fmt::format("\"{}\"", text); }
  std::string operator()(int64_t number) const { return std::to_string(number); }
  std::string operator()(bool flag) const { return flag ? "true" : "false"; }
  std::string operator()(internal::TextList list) const {
    return list.only == nullptr ? "[]" : fmt::format("[\"{}\"]", list.only);
  }
};

constexpr const char* kTypeNames[] = {"string", "integer", "boolean", "list of strings"};

}  // namespace

std::vector<SettingDescription> DescribeSettings() {
  std::vector<SettingDescription> descriptions;
  for (const internal::SettingRow& row : internal::SettingRows()) {
    descriptions.push_back({.key = fmt::format("{}.{}", row.table, row.name),
                            .type = kTypeNames[row.fallback.index()],
                            .fallback = std::visit(FallbackAsToml(), row.fallback),
                            .unit = row.unit,
                            .meaning = row.meaning});
  }
  return descriptions;
}

std::string RenderSettingsReference() {
  std::string out = "# Every setting of Prompt Cache with its default.\n";
  std::string table;
  for (const internal::SettingRow& row : internal::SettingRows()) {
    if (table != row.table) {
      table = row.table;
      out += fmt::format("\n[{}]\n", table);
    }
    std::string note = kTypeNames[row.fallback.index()];
    if (*row.unit != '\0') note += fmt::format(", {}", row.unit);
    if (std::holds_alternative<int64_t>(row.fallback)) {
      note += fmt::format(", {} to {}", row.minimum, row.maximum);
    }
    out += fmt::format("# {} ({})\n{} = {}\n", row.meaning, note, row.name,
                       std::visit(FallbackAsToml(), row.fallback));
  }
  return out;
}

}  // namespace promptcache

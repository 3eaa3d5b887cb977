// Every setting of every process, declared once (config_reference.cpp's table): name, type,
// default, limits, unit and meaning. `promptcache config --reference` prints that table as valid
// TOML.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace promptcache {

struct CoordinatorSettings {
  std::string client_endpoint;
  std::string worker_endpoint;
  std::string store_endpoint;
  std::string model;
  std::string chat_template;
  int64_t max_prompt_bytes = 0;
  int64_t max_schema_bytes = 0;
  int64_t pml_depth = 0;
  int64_t pml_elements = 0;
  int64_t pml_attributes = 0;
  int64_t pml_name_bytes = 0;
  int64_t pml_attribute_bytes = 0;
  int64_t pml_units = 0;
  int64_t pml_set_tokens = 0;
  int64_t pml_pieces = 0;
  int64_t max_active_requests = 0;
  int64_t default_deadline_ms = 0;
  int64_t worker_wait_ms = 0;
  std::string repair;
  int64_t linked_tokens = 0;
  std::string policy;
  int64_t queue_bound_ms = 0;
  int64_t prefetch_requests = 0;
  int64_t batch_requests = 0;
  std::vector<std::string> warm;
  int64_t heartbeat_ms = 0;
  int64_t lease_ms = 0;
  std::string metrics_endpoint;
};

struct StoreSettings {
  std::string endpoint;
  std::string directory;
  int64_t max_blob_bytes = 0;
  int64_t quota_bytes = 0;
  int64_t pin_quota_bytes = 0;
  int64_t use_half_life_s = 0;
  int64_t min_free_bytes = 0;
  int64_t threads = 0;
  int64_t transfer_idle_ms = 0;
  int64_t stream_port = 0;
  bool meta = false;
  std::string metrics_endpoint;
};

struct WorkerSettings {
  std::string name;
  std::string model;
  std::string device;
  std::string dtype;
  int64_t threads = 0;
  int64_t slots = 0;
  int64_t queue_limit = 0;
  int64_t unit_cache_bytes = 0;
  int64_t prefill_chunk_tokens = 0;
  int64_t store_timeout_ms = 0;
  std::string store_compression;
  std::vector<std::string> coordinator_endpoints;
  std::string store_endpoint;
  std::string metrics_endpoint;
};

struct ClusterSettings {
  int64_t workers = 0;
  std::string gpus;
  std::string run_directory;
};

struct SecuritySettings {
  std::string own_key;
  std::string keys;
  std::vector<std::string> tenant_limits;
  bool allow_plaintext = false;
};

struct LogSettings {
  std::string level;
  std::string format;
};

struct Settings {
  CoordinatorSettings coordinator;
  StoreSettings store;
  WorkerSettings worker;
  ClusterSettings cluster;
  SecuritySettings security;
  LogSettings log;
};

// The defaults.
Settings DefaultSettings();

// Defaults overlaid with the TOML text. kInvalidArgument naming file, line, key and value for a
// syntax error, an unknown table or key (with the nearest known one), a wrong type or a value
// outside its limits. `file` is for messages only.
Result<Settings> ParseSettings(std::string_view toml, std::string_view file);

// kNotFound when the file cannot be read; at most 1 MiB is read. An empty path gives the defaults.
Result<Settings> LoadSettings(const std::string& path);

// The whole table as a commented TOML file that ParseSettings accepts and that gives the defaults.
std::string RenderSettingsReference();

// The table itself, for documents and for help texts.
struct SettingDescription {
  std::string key;       // "worker.slots"
  std::string type;      // "string", "integer", "boolean", "list of strings"
  std::string fallback;  // as written in TOML
  std::string unit;      // "bytes", "ms", ...; empty when it has none
  std::string meaning;
};
std::vector<SettingDescription> DescribeSettings();

}  // namespace promptcache

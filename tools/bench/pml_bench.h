// How long PML takes to compile: a schema, a prompt against it, and documents made to be large.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "common/status.h"
#include "coordinator/layout/text_encoder.h"
#include "tools/bench/pml_workload.h"
#include "tools/bench/series.h"

namespace promptcache {

struct PmlBenchOptions {
  // Of each large document; the persona schema is compiled 40 times, its prompt 1000 times as
  // often.
  uint32_t iterations = 5;
  uint32_t largest_mib = 64;  // of the documents that are all text
};

// A made-up document. Milliseconds.
struct DocumentTimes {
  std::string name;  // "text_64", "depth_8", "units_65536"
  size_t bytes = 0;
  Series parse;   // to a checked tree
  Series layout;  // with a tokenizer that takes no time

  double parse_mb_per_s() const;  // 10^6 bytes a second, of the median
};

struct PmlReport {
  PmlBenchOptions options;
  std::string cpu;  // as the system names it
  size_t schema_bytes = 0;
  uint32_t schema_tokens = 0;  // the layout's length
  Series schema;               // ms: parse, check and layout with the real tokenizer
  Series schema_first;         // ms: the same once, by a tokenizer that remembers no words yet
  Series schema_parse;         // ms: parse and check alone
  Series prompt;               // us: parse and plan, its new text's tokens looked up
  std::vector<DocumentTimes> documents;
};

// Runs every case once unmeasured, then as often as the options say. REQUIRES: `encoder` has
// encoded nothing of the persona's. `progress` gets a line before each step. Errors: those of the
// persona's documents with this tokenizer.
Result<PmlReport> MeasurePml(const PersonaWorkload& persona, const TextEncoder& encoder,
                             const PmlBenchOptions& options,
                             const std::function<void(const std::string&)>& progress);

// schema_ms, schema_ms_min, prompt_us_p99, text_mb_per_s, tags_mb_per_s, layout_65536_ms and all
// documents: stable names, numbers.
nlohmann::json PmlToJson(const PmlReport& report);
std::string RenderPml(const PmlReport& report);

}  // namespace promptcache

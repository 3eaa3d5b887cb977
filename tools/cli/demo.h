// The demonstration: one prompt four ways, and a control, through a cluster of real processes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cluster/client/client.h"
#include "common/status.h"

namespace promptcache {

struct DemoOptions {
  std::string bin_directory;
  std::string model;
  std::string example_directory;  // with the schemas and prompts/
  std::string run_directory;      // a new one; removed afterwards unless a check fails
  std::string dtype = "auto";
  uint32_t max_new_tokens = 48;
};

struct DemoRun {
  std::string name;  // "no cache", "cold", "warm", "restarted", "control"
  Answer answer;
};

struct DemoResult {
  std::vector<DemoRun> runs;
  std::vector<std::string> failures;  // what did not hold; empty: all did
};

struct DemoEvents {
  std::function<void(const std::string&)> on_step;  // what happens next
  std::function<void(const std::string&)> on_text;  // a piece of an answer
};

// Errors are those of starting and asking; what the runs were to show is in `failures`.
Result<DemoResult> RunDemo(const DemoOptions& options, const DemoEvents& events);

}  // namespace promptcache

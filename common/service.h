// What the main() of every service does the same way. A library of its own: only services link it.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "common/status.h"

namespace promptcache {

struct ServiceFlags {
  std::string config;
  std::string ready_file;
};

// --version, --config and --ready-file, the last with `ready_help`; `example` and the exit codes go
// below the options.
void AddServiceFlags(CLI::App& app, ServiceFlags& flags, const std::string& ready_help,
                     const std::string& example);

// Parses the command line and serves. The exit code: 0 stopped by a signal; 2 usage; else of the
// status that `serve` ended with, which goes to standard error.
int RunService(CLI::App& app, int argc, char** argv, const std::function<Status()>& serve);

// Writes `fields` and the process's stamp (its id, and when it started) to the ready file, for who
// started the service; nothing when none was asked for.
Status WriteReadyFile(const ServiceFlags& flags, nlohmann::json fields);

}  // namespace promptcache

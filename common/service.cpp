#include "common/service.h"

#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "common/exit_codes.h"
#include "common/process.h"
#include "common/process_stamp.h"
#include "common/version.h"

namespace promptcache {

void AddServiceFlags(CLI::App& app, ServiceFlags& flags, const std::string& ready_help,
                     const std::string& example) {
  app.set_version_flag("--version", kVersion);
  app.add_option("--config", flags.config, "TOML file; see `promptcache config --reference`");
  app.add_option("--ready-file", flags.ready_file, ready_help);
  app.footer(
      "Example:\n  " + example +
      "\nExit codes: 0 stopped by a signal; 2 usage; 3 to 14 cannot start, with the numbers of "
      "`promptcache --help`.");
}

int RunService(CLI::App& app, int argc, char** argv, const std::function<Status()>& serve) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  RaiseOpenFiles();
  const Status status = serve();
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s: error: %s\n", app.get_name().c_str(), status.message().c_str());
  return ExitCodeFor(status);
}

Status WriteReadyFile(const ServiceFlags& flags, nlohmann::json fields) {
  if (flags.ready_file.empty()) return {};
  fields["pid"] = ::getpid();
  if (const auto stamp = StampOf(::getpid())) {
    fields["started"] = stamp->started;
    fields["boot"] = stamp->boot;
  }
  return WriteFileAtomically(flags.ready_file, fields.dump() + "\n");
}

}  // namespace promptcache

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cachestore/disk/open.h"
#include "cachestore/service/store_server.h"
#include "cluster/transport/zmq_transport.h"
#include "common/process.h"
#include "common/version.h"

namespace promptcache {
namespace {

constexpr char kFooter[] =
    "Example:\n"
    "  promptcache-cachestore --directory /var/lib/promptcache --endpoint tcp://127.0.0.1:7422\n"
    "Exit codes: 0 stopped by a signal; 1 cannot start; 2 usage.";

struct Flags {
  std::string config;
  std::string directory;
  std::string endpoint;
  std::string ready_file;
};

void AddFlags(CLI::App& app, Flags& flags) {
  app.set_version_flag("--version", kVersion);
  app.add_option("--config", flags.config, "TOML file; see `promptcache config --reference`");
  app.add_option("--directory", flags.directory, "Where the store lies; created when missing");
  app.add_option("--endpoint", flags.endpoint, "Where workers and coordinators connect");
  app.add_option("--ready-file", flags.ready_file,
                 "Write pid and endpoint to this file as JSON when serving");
  app.footer(kFooter);
}

Status Serve(const Flags& flags) {
  PC_ASSIGN_OR_RETURN(Settings settings, LoadSettings(flags.config));
  StoreSettings& own = settings.store;
  if (!flags.directory.empty()) own.directory = flags.directory;
  if (!flags.endpoint.empty()) own.endpoint = flags.endpoint;
  PC_RETURN_IF_ERROR(InitLogFromSettings("cachestore", settings.log));
  std::unique_ptr<ZmqTransport> transport;
  PC_ASSIGN_OR_RETURN(transport, ZmqTransport::Create());
  CallOnStopSignal([&] { transport->Stop(); });
  PC_ASSIGN_OR_RETURN(const auto store,
                      OpenDiskStore({.directory = own.directory,
                                     .max_blob_bytes = static_cast<uint64_t>(own.max_blob_bytes)}));
  PC_ASSIGN_OR_RETURN(
      std::unique_ptr<StoreServer> server,
      StoreServer::Create(
          *transport, store->blobs(), own.meta ? &store->meta() : nullptr,
          {.endpoint = own.endpoint, .threads = static_cast<uint32_t>(own.threads)}));
  Log(LogLevel::kInfo, "serving", {{"endpoint", server->endpoint()}, {"directory", own.directory}});
  if (!flags.ready_file.empty()) {
    const nlohmann::json ready = {{"pid", ::getpid()}, {"endpoint", server->endpoint()}};
    PC_RETURN_IF_ERROR(WriteFileAtomically(flags.ready_file, ready.dump() + "\n"));
  }
  transport->Run();
  server.reset();
  return {};
}

int Main(int argc, char** argv) {
  CLI::App app("Prompt Cache cachestore: keeps encoded units and registered schemas on disk");
  Flags flags;
  AddFlags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const Status status = Serve(flags);
  if (status.ok()) return 0;
  std::fprintf(stderr, "promptcache-cachestore: error: %s\n", status.message().c_str());
  return 1;
}

}  // namespace
}  // namespace promptcache

int main(int argc, char** argv) { return promptcache::Main(argc, argv); }

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cluster/transport/zmq_transport.h"
#include "common/process.h"
#include "common/version.h"
#include "coordinator/coordinator.h"

namespace promptcache {
namespace {

constexpr char kFooter[] =
    "Example:\n"
    "  promptcache-coordinator --model model.gguf --store-endpoint tcp://127.0.0.1:7422\n"
    "Exit codes: 0 stopped by a signal; 1 cannot start; 2 usage.";

struct Flags {
  std::string config;
  std::string ready_file;
  std::string model;
  std::string client_endpoint;
  std::string worker_endpoint;
  std::string store_endpoint;
};

void AddFlags(CLI::App& app, Flags& flags) {
  app.set_version_flag("--version", kVersion);
  app.add_option("--config", flags.config, "TOML file; see `promptcache config --reference`");
  app.add_option("--model", flags.model, "GGUF file of the model");
  app.add_option("--client-endpoint", flags.client_endpoint, "Where clients connect");
  app.add_option("--worker-endpoint", flags.worker_endpoint, "Where workers connect");
  app.add_option("--store-endpoint", flags.store_endpoint, "The cachestore that keeps schemas");
  app.add_option("--ready-file", flags.ready_file,
                 "Write pid and endpoints to this file as JSON when serving");
  app.footer(kFooter);
}

Result<Settings> SettingsOf(const Flags& flags) {
  PC_ASSIGN_OR_RETURN(Settings settings, LoadSettings(flags.config));
  CoordinatorSettings& own = settings.coordinator;
  if (!flags.model.empty()) own.model = flags.model;
  if (!flags.client_endpoint.empty()) own.client_endpoint = flags.client_endpoint;
  if (!flags.worker_endpoint.empty()) own.worker_endpoint = flags.worker_endpoint;
  if (!flags.store_endpoint.empty()) own.store_endpoint = flags.store_endpoint;
  if (own.model.empty()) {
    return InvalidArgument("no model: give --model FILE.gguf or set coordinator.model");
  }
  return settings;
}

void Announce(const CoordinatorEndpoints& endpoints, const std::string& ready_file) {
  Log(LogLevel::kInfo, "serving",
      {{"client_endpoint", endpoints.client}, {"worker_endpoint", endpoints.worker}});
  if (ready_file.empty()) return;
  const nlohmann::json ready = {{"pid", ::getpid()},
                                {"client_endpoint", endpoints.client},
                                {"worker_endpoint", endpoints.worker}};
  const Status status = WriteFileAtomically(ready_file, ready.dump() + "\n");
  if (!status.ok()) Log(LogLevel::kError, "no ready file", {{"reason", status.message()}});
}

Status Serve(const Flags& flags) {
  PC_ASSIGN_OR_RETURN(const Settings settings, SettingsOf(flags));
  PC_RETURN_IF_ERROR(InitLogFromSettings("coordinator", settings.log));
  PC_ASSIGN_OR_RETURN(ServedModel model, LoadServedModel(settings.coordinator.model,
                                                         settings.coordinator.chat_template));
  PC_ASSIGN_OR_RETURN(const std::unique_ptr<ZmqTransport> transport, ZmqTransport::Create());
  std::unique_ptr<Coordinator> coordinator;
  CallOnStopSignal([&] {
    transport->Post([&] {
      if (coordinator) coordinator->Shutdown();
      transport->Stop();
    });
  });
  PC_ASSIGN_OR_RETURN(coordinator,
                      Coordinator::Create(*transport, settings.coordinator, std::move(model)));
  coordinator->WhenReady([&] { Announce(coordinator->endpoints(), flags.ready_file); });
  transport->Run();
  coordinator.reset();
  return {};
}

int Main(int argc, char** argv) {
  CLI::App app("Prompt Cache coordinator: parses, plans and routes prompts");
  Flags flags;
  AddFlags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const Status status = Serve(flags);
  if (status.ok()) return 0;
  std::fprintf(stderr, "promptcache-coordinator: error: %s\n", status.message().c_str());
  return 1;
}

}  // namespace
}  // namespace promptcache

int main(int argc, char** argv) { return promptcache::Main(argc, argv); }

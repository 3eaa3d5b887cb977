#include <nlohmann/json.hpp>
#include <optional>

#include "cluster/monitor/reactor_monitor.h"
#include "cluster/transport/zmq_transport.h"
#include "common/process.h"
#include "common/service.h"
#include "coordinator/coordinator.h"

namespace promptcache {
namespace {

struct Flags {
  ServiceFlags service;
  std::string model;
  std::string client_endpoint;
  std::string worker_endpoint;
  std::string store_endpoint;
  std::string metrics_endpoint;
};

Result<Settings> SettingsOf(const Flags& flags) {
  PC_ASSIGN_OR_RETURN(Settings settings, LoadSettings(flags.service.config));
  CoordinatorSettings& own = settings.coordinator;
  if (!flags.model.empty()) own.model = flags.model;
  if (!flags.client_endpoint.empty()) own.client_endpoint = flags.client_endpoint;
  if (!flags.worker_endpoint.empty()) own.worker_endpoint = flags.worker_endpoint;
  if (!flags.store_endpoint.empty()) own.store_endpoint = flags.store_endpoint;
  if (!flags.metrics_endpoint.empty()) own.metrics_endpoint = flags.metrics_endpoint;
  if (own.model.empty()) {
    return InvalidArgument(
        "no model: give --model FILE.gguf or DIRECTORY, or set coordinator.model");
  }
  return settings;
}

void Announce(const CoordinatorEndpoints& endpoints, const Monitor* monitor,
              const ServiceFlags& flags) {
  Log(LogLevel::kInfo, "serving",
      {{"client_endpoint", endpoints.client}, {"worker_endpoint", endpoints.worker}});
  nlohmann::json ready = {{"client_endpoint", endpoints.client},
                          {"worker_endpoint", endpoints.worker}};
  if (monitor != nullptr) ready["metrics_endpoint"] = monitor->endpoint();
  const Status status = WriteReadyFile(flags, std::move(ready));
  if (!status.ok()) Log(LogLevel::kError, "no ready file", {{"reason", status.message()}});
}

Status Serve(const Flags& flags) {
  PC_ASSIGN_OR_RETURN(const Settings settings, SettingsOf(flags));
  PC_RETURN_IF_ERROR(InitLogFromSettings("coordinator", settings.log));
  PC_ASSIGN_OR_RETURN(ServedModel model, LoadServedModel(settings.coordinator.model,
                                                         settings.coordinator.chat_template));
  PC_ASSIGN_OR_RETURN(LinkSecurity security,
                      LoadLinkSecurity(settings.security, "coordinator", {PeerRole::kCoordinator}));
  PC_ASSIGN_OR_RETURN(const std::unique_ptr<ZmqTransport> transport,
                      ZmqTransport::Create({.security = std::move(security)}));
  std::unique_ptr<Coordinator> coordinator;
  std::optional<ReloadSignal> reload;
  if (!settings.security.keys.empty()) {
    reload.emplace([&] { transport->Post([&] { transport->ReloadKeys(); }); });
  }
  CallOnStopSignal([&] {
    transport->Post([&] {
      if (coordinator) coordinator->Shutdown();
      transport->Stop();
    });
  });
  CoordinatorDeps deps;
  PC_ASSIGN_OR_RETURN(deps.tenants, TenantLimits::Parse(settings.security.tenant_limits));
  PC_ASSIGN_OR_RETURN(coordinator, Coordinator::Create(*transport, settings.coordinator,
                                                       std::move(model), std::move(deps)));
  PC_ASSIGN_OR_RETURN(
      std::unique_ptr<Monitor> monitor,
      StartReactorMonitor(settings.coordinator.metrics_endpoint, settings.security, *transport,
                          [&](ProcessReport& report) { coordinator->Report(report); }));
  coordinator->WhenReady([&] { Announce(coordinator->endpoints(), monitor.get(), flags.service); });
  transport->Run();
  monitor.reset();
  coordinator.reset();
  return {};
}

int Main(int argc, char** argv) {
  CLI::App app("Prompt Cache coordinator: parses, plans and routes prompts",
               "promptcache-coordinator");
  Flags flags;
  AddServiceFlags(
      app, flags.service, "Write pid and endpoints to this file as JSON when serving",
      "promptcache-coordinator --model model.gguf --store-endpoint tcp://127.0.0.1:7422");
  app.add_option("--model", flags.model, "GGUF file or Hugging Face directory of the model");
  app.add_option("--client-endpoint", flags.client_endpoint, "Where clients connect");
  app.add_option("--worker-endpoint", flags.worker_endpoint, "Where workers connect");
  app.add_option("--store-endpoint", flags.store_endpoint, "The cachestore that keeps schemas");
  app.add_option("--metrics-endpoint", flags.metrics_endpoint,
                 "ADDRESS:PORT for /metrics, /livez and /readyz");
  return RunService(app, argc, argv, [&flags] { return Serve(flags); });
}

}  // namespace
}  // namespace promptcache

int main(int argc, char** argv) { return promptcache::Main(argc, argv); }

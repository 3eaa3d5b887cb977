#include <nlohmann/json.hpp>
#include <optional>

#include "cachestore/disk/open.h"
#include "cachestore/service/store_metrics.h"
#include "cachestore/service/store_server.h"
#include "cluster/monitor/reactor_monitor.h"
#include "cluster/transport/zmq_transport.h"
#include "common/process.h"
#include "common/service.h"

namespace promptcache {
namespace {

struct Flags {
  ServiceFlags service;
  std::string directory;
  std::string endpoint;
  std::string metrics_endpoint;
};

// Asking the disk for its room may take time, so not on the reactor thread.
void Report(BlobStore& store, ProcessReport& report) {
  const Result<StoreStats> stats = store.Stats();
  if (!stats.ok()) {
    report.ready = stats.status();
    return;
  }
  if (!stats->read_only.empty()) report.ready = FailedPrecondition(stats->read_only);
  AddStoreMetrics(*stats, report.metrics);
}

Status Serve(const Flags& flags) {
  PC_ASSIGN_OR_RETURN(Settings settings, LoadSettings(flags.service.config));
  StoreSettings& own = settings.store;
  if (!flags.directory.empty()) own.directory = flags.directory;
  if (!flags.endpoint.empty()) own.endpoint = flags.endpoint;
  if (!flags.metrics_endpoint.empty()) own.metrics_endpoint = flags.metrics_endpoint;
  PC_RETURN_IF_ERROR(InitLogFromSettings("cachestore", settings.log));
  PC_ASSIGN_OR_RETURN(LinkSecurity security,
                      LoadLinkSecurity(settings.security, "store", {PeerRole::kStore}));
  PC_ASSIGN_OR_RETURN(const std::unique_ptr<ZmqTransport> transport,
                      ZmqTransport::Create({.security = std::move(security)}));
  std::optional<ReloadSignal> reload;
  if (!settings.security.keys.empty()) {
    reload.emplace([&] { transport->Post([&] { transport->ReloadKeys(); }); });
  }
  CallOnStopSignal([&] { transport->Stop(); });
  DiskStoreOptions options = DiskStoreOptionsOf(own);
  PC_ASSIGN_OR_RETURN(options.tenants, TenantLimits::Parse(settings.security.tenant_limits));
  PC_ASSIGN_OR_RETURN(const auto store, OpenDiskStore(options));
  PC_ASSIGN_OR_RETURN(
      std::unique_ptr<StoreServer> server,
      StoreServer::Create(*transport,
                          {.blobs = store->blobs(),
                           .admin = store->admin(),
                           .meta = own.meta ? &store->meta() : nullptr},
                          {.endpoint = own.endpoint,
                           .threads = static_cast<uint32_t>(own.threads),
                           .transfer_idle = std::chrono::milliseconds(own.transfer_idle_ms),
                           .stream_port = static_cast<uint16_t>(own.stream_port)}));
  Log(LogLevel::kInfo, "serving", {{"endpoint", server->endpoint()}, {"directory", own.directory}});
  PC_ASSIGN_OR_RETURN(std::unique_ptr<Monitor> monitor,
                      StartReactorMonitor(
                          own.metrics_endpoint, settings.security, *transport,
                          [&](ProcessReport& report) {
                            AddStoreStreamMetrics(server->streams(), report.metrics);
                            AddStoreLinkMetrics(server->links(), report.metrics);
                          },
                          [&](ProcessReport& report) { Report(store->blobs(), report); }));
  nlohmann::json ready = {{"endpoint", server->endpoint()}};
  if (monitor) ready["metrics_endpoint"] = monitor->endpoint();
  PC_RETURN_IF_ERROR(WriteReadyFile(flags.service, std::move(ready)));
  transport->Run();
  monitor.reset();
  server.reset();
  return {};
}

int Main(int argc, char** argv) {
  CLI::App app("Prompt Cache cachestore: keeps encoded units and registered schemas on disk",
               "promptcache-cachestore");
  Flags flags;
  AddServiceFlags(
      app, flags.service, "Write pid and endpoint to this file as JSON when serving",
      "promptcache-cachestore --directory /var/lib/promptcache --endpoint tcp://127.0.0.1:7422");
  app.add_option("--directory", flags.directory, "Where the store lies; created when missing");
  app.add_option("--endpoint", flags.endpoint, "Where workers and coordinators connect");
  app.add_option("--metrics-endpoint", flags.metrics_endpoint,
                 "ADDRESS:PORT for /metrics, /livez and /readyz");
  return RunService(app, argc, argv, [&flags] { return Serve(flags); });
}

}  // namespace
}  // namespace promptcache

int main(int argc, char** argv) { return promptcache::Main(argc, argv); }

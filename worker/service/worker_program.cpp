#include "worker/service/worker_program.h"

#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "cachestore/service/remote_store.h"
#include "cluster/transport/zmq_transport.h"
#include "common/log.h"
#include "common/process.h"
#include "common/service.h"

namespace promptcache {
namespace {

struct Flags {
  ServiceFlags service;
  WorkerSettings own;  // empty or negative: not given
};

void AddFlags(CLI::App& app, WorkerSettings& own) {
  own.threads = own.slots = own.unit_cache_bytes = -1;
  app.add_option("--model", own.model, "GGUF file or Hugging Face directory of the model");
  app.add_option("--name", own.name, "Unique name of this worker");
  app.add_option("--device", own.device, "cpu or cuda:N");
  app.add_option("--dtype", own.dtype, "auto, fp32 or bf16");
  app.add_option("--threads", own.threads, "CPU threads; 0: one per core");
  app.add_option("--slots", own.slots,
                 "Answers that share the model's steps: one for each sample of a request");
  app.add_option("--unit-cache-bytes", own.unit_cache_bytes, "Memory for encoded units");
  app.add_option("--store-compression", own.store_compression,
                 "none, zstd, int8 or int8-zstd: what units are stored as");
  app.add_option("--coordinator-endpoint", own.coordinator_endpoints,
                 "A coordinator to serve; may be repeated");
  app.add_option("--store-endpoint", own.store_endpoint, "The cachestore to use");
}

Result<Settings> SettingsOf(const Flags& flags) {
  PC_ASSIGN_OR_RETURN(Settings settings, LoadSettings(flags.service.config));
  WorkerSettings& own = settings.worker;
  const auto take = [&](auto member) {
    if (!(flags.own.*member).empty()) own.*member = flags.own.*member;
  };
  for (auto member : {&WorkerSettings::model, &WorkerSettings::name, &WorkerSettings::device,
                      &WorkerSettings::dtype, &WorkerSettings::store_compression,
                      &WorkerSettings::store_endpoint}) {
    take(member);
  }
  take(&WorkerSettings::coordinator_endpoints);
  for (auto member :
       {&WorkerSettings::threads, &WorkerSettings::slots, &WorkerSettings::unit_cache_bytes}) {
    if (flags.own.*member >= 0) own.*member = flags.own.*member;
  }
  return settings;
}

void Announce(const std::string& name, const ServiceFlags& flags) {
  Log(LogLevel::kInfo, "serving", {{"name", name}});
  const Status status = WriteReadyFile(flags, {{"name", name}});
  if (!status.ok()) Log(LogLevel::kError, "no ready file", {{"reason", status.message()}});
}

Status Serve(const Flags& flags, const LoadModelFunction& load) {
  PC_ASSIGN_OR_RETURN(const Settings settings, SettingsOf(flags));
  const WorkerSettings& own = settings.worker;
  PC_RETURN_IF_ERROR(InitLogFromSettings("worker", settings.log));
  PC_ASSIGN_OR_RETURN(LinkSecurity security,
                      LoadLinkSecurity(settings.security, own.name, {PeerRole::kWorker}));
  PC_ASSIGN_OR_RETURN(const std::unique_ptr<ZmqTransport> transport,
                      ZmqTransport::Create({.security = std::move(security)}));
  std::promise<void> stop;
  CallOnStopSignal([&] { stop.set_value(); });
  PC_ASSIGN_OR_RETURN(auto model, load(own));
  std::unique_ptr<RemoteStore> store;
  if (!own.store_endpoint.empty()) {
    store = RemoteStore::Create(*transport,
                                {.endpoint = own.store_endpoint,
                                 .name = own.name,
                                 .timeout = std::chrono::milliseconds(own.store_timeout_ms)});
  }
  PC_ASSIGN_OR_RETURN(
      auto service, WorkerService::Start(
                        {.transport = transport.get(), .model = model, .store = store.get()}, own));
  service->OnReady([&] { Announce(own.name, flags.service); });
  std::jthread reactor([&] { transport->Run(); });
  stop.get_future().wait();
  service->Drain();
  transport->Stop();
  reactor.join();
  return {};
}

}  // namespace

int RunWorkerProgram(CLI::App& app, int argc, char** argv, const LoadModelFunction& load) {
  Flags flags;
  AddServiceFlags(app, flags.service,
                  "Write pid and name to this file as JSON when the coordinator has taken us in",
                  app.get_name() + " --model model.gguf --name worker-1 --device cpu");
  AddFlags(app, flags.own);
  return RunService(app, argc, argv, [&] { return Serve(flags, load); });
}

}  // namespace promptcache

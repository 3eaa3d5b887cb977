#include "tools/cli/config_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cachestore/format/compression.h"
#include "cluster/launch/gpus.h"
#include "cluster/transport/link_security.h"
#include "common/log.h"
#include "common/metrics/monitor.h"
#include "common/tenant_limits.h"
#include "common/text/templates.h"
#include "coordinator/plan/repair_choice.h"
#include "coordinator/routing/policy.h"
#include "worker/settings/compute_dtype.h"
#include "worker/settings/coordinators.h"
#include "worker/settings/device_name.h"

namespace promptcache {
namespace {

class SettingsCheck {
 public:
  explicit SettingsCheck(const Settings& settings) : settings_(settings) {
    links_.allow_plaintext = settings.security.allow_plaintext;
    // The keys may lie on other machines; any will do to tell what links with keys need.
    if (HasKey()) links_.own = LinkKey{.owner = {}, .secret = CurveSecretKey::Generate()};
  }

  std::vector<std::string> Run() && {
    CheckCoordinator();
    CheckStore();
    CheckWorker();
    CheckCluster();
    return std::move(refused_);
  }

 private:
  bool HasKey() const { return !settings_.security.own_key.empty(); }

  template <typename Value>
  void Add(const char* setting, const Value& value, const Status& status) {
    // A file or a GPU that is not here may be where the service runs.
    if (status.ok() || status.code() == Code::kNotFound) return;
    refused_.push_back(fmt::format("{} = {}: {}", setting, Quoted(value), status.message()));
  }

  static std::string Quoted(const std::string& text) { return fmt::format("\"{}\"", text); }
  static std::string Quoted(const std::vector<std::string>& texts) {
    return fmt::format("{}", texts);
  }

  Status Connects(const std::string& endpoint) const {
    return ParseEndpointFor(links_, endpoint, EndpointUse::kConnect).status();
  }

  Status Listens(const std::string& endpoint) const {
    // Whose key is behind it only the one who listens can tell.
    if (HasKey()) return ParseEndpoint(endpoint, EndpointUse::kListen, links_.reach()).status();
    return ParseEndpointFor(links_, endpoint, EndpointUse::kListen).status();
  }

  // A file without a model may be the command line's own, which connects to where services listen.
  Status ListensOrIsConnectedTo(const std::string& endpoint) const {
    Status listens = Listens(endpoint);
    const bool of_command_line =
        settings_.coordinator.model.empty() && settings_.worker.model.empty();
    return of_command_line && Connects(endpoint).ok() ? Status() : listens;
  }

  void AddStoreEndpoint(const char* setting, const std::string& endpoint) {
    if (!endpoint.empty()) Add(setting, endpoint, Connects(endpoint));
  }

  void AddMetricsEndpoint(const char* setting, const std::string& endpoint) {
    if (endpoint.empty()) return;
    Add(setting, endpoint,
        CheckMonitorOptions({.endpoint = endpoint, .allow_plaintext = links_.allow_plaintext}));
  }

  void CheckCoordinator() {
    const CoordinatorSettings& own = settings_.coordinator;
    Add("coordinator.client_endpoint", own.client_endpoint,
        ListensOrIsConnectedTo(own.client_endpoint));
    Add("coordinator.worker_endpoint", own.worker_endpoint, Listens(own.worker_endpoint));
    AddStoreEndpoint("coordinator.store_endpoint", own.store_endpoint);
    Add("coordinator.chat_template", own.chat_template,
        FindChatTemplate(own.chat_template, /*model_template=*/"").status());
    Add("coordinator.repair", own.repair, DefaultRepair(own).status());
    Add("coordinator.policy", own.policy, ParsePolicy(own.policy).status());
    AddMetricsEndpoint("coordinator.metrics_endpoint", own.metrics_endpoint);
  }

  void CheckStore() {
    const StoreSettings& own = settings_.store;
    Add("store.endpoint", own.endpoint, ListensOrIsConnectedTo(own.endpoint));
    AddMetricsEndpoint("store.metrics_endpoint", own.metrics_endpoint);
  }

  void CheckWorker() {
    const WorkerSettings& own = settings_.worker;
    Add("worker.device", own.device, ParseDeviceName(own.device).status());
    Add("worker.dtype", own.dtype, ParseComputeDtype(own.dtype).status());
    Add("worker.store_compression", own.store_compression,
        ParseCompression(own.store_compression).status());
    Add("worker.coordinator_endpoints", own.coordinator_endpoints,
        CheckCoordinators(own.coordinator_endpoints));
    // The default lacks a key; who has no worker, or starts it by `promptcache up`, leaves it.
    if (own.coordinator_endpoints != DefaultSettings().worker.coordinator_endpoints) {
      for (const std::string& endpoint : own.coordinator_endpoints) {
        Add("worker.coordinator_endpoints", endpoint, Connects(endpoint));
      }
    }
    AddStoreEndpoint("worker.store_endpoint", own.store_endpoint);
    AddMetricsEndpoint("worker.metrics_endpoint", own.metrics_endpoint);
  }

  void CheckCluster() {
    const SecuritySettings& security = settings_.security;
    Add("cluster.gpus", settings_.cluster.gpus,
        ChooseGpus(settings_.cluster.gpus, "/dev").status());
    if (!HasKey()) {
      Add("security.keys", security.keys, LoadLinkSecurity(security, "", {}).status());
    }
    Add("security.tenant_limits", security.tenant_limits,
        TenantLimits::Parse(security.tenant_limits).status());
    Add("log.level", settings_.log.level, ParseLogLevel(settings_.log.level).status());
    Add("log.format", settings_.log.format, ParseLogFormat(settings_.log.format).status());
  }

  const Settings& settings_;
  LinkSecurity links_;
  std::vector<std::string> refused_;
};

}  // namespace

std::vector<std::string> RefusedSettings(const Settings& settings) {
  return SettingsCheck(settings).Run();
}

Status CheckSettingsFile(const std::string& path) {
  PC_ASSIGN_OR_RETURN(const Settings settings, LoadSettings(path));
  std::vector<std::string> lines = RefusedSettings(settings);
  for (std::string& line : lines) line.insert(0, path + ": ");
  return lines.empty() ? Status() : InvalidArgument(fmt::format("{}", fmt::join(lines, "\n")));
}

}  // namespace promptcache

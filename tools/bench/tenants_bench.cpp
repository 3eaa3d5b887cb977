#include "tools/bench/tenants_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "cluster/client/client.h"
#include "cluster/transport/allowlist.h"
#include "cluster/transport/link_key.h"
#include "common/clock.h"
#include "common/process.h"
#include "common/rng.h"
#include "tools/bench/tenants_workload.h"

namespace promptcache {
namespace {

constexpr uint32_t kWarmUp = 5;  // pairs that are not counted
constexpr std::chrono::seconds kPatience{30};
constexpr std::chrono::milliseconds kPoll{2};

enum class Sharing : uint8_t { kOff, kOn };

// The one whose imports another one would like to know of, and that one.
constexpr const char* kTenants[] = {"alpha", "beta"};

std::string KeyFile(const std::string& directory, const std::string& name) {
  return directory + "/" + name + ".key";
}

// As an operator makes them.
Result<SecuritySettings> MakeKeys(const std::string& directory) {
  std::vector<KeyOwner> owners = {{.name = "store", .role = PeerRole::kStore},
                                  {.name = "coordinator", .role = PeerRole::kCoordinator},
                                  {.name = BenchCluster::kFirstWorker, .role = PeerRole::kWorker}};
  for (const char* tenant : kTenants) {
    owners.push_back({.name = tenant, .role = PeerRole::kClient, .tenant = tenant});
  }
  Allowlist allowed;
  for (const KeyOwner& owner : owners) {
    PC_ASSIGN_OR_RETURN(const PublicLinkKey key,
                        WriteNewLinkKey(KeyFile(directory, owner.name), owner));
    PC_RETURN_IF_ERROR(allowed.Add(key));
  }
  SecuritySettings settings = DefaultSettings().security;
  settings.own_key = directory;
  settings.keys = directory + "/keys.toml";
  PC_RETURN_IF_ERROR(WriteFileAtomically(settings.keys, allowed.Render()));
  return settings;
}

uint32_t EncodedUnits(const Usage& usage) {
  return static_cast<uint32_t>(
      std::count_if(usage.units.begin(), usage.units.end(),
                    [](const UnitUsage& unit) { return unit.source == Source::kEncoded; }));
}

class Measurement {
 public:
  explicit Measurement(const TenantsBenchOptions& options) : options_(options) {}

  Status Start() {
    // Texts are tokenized apart from the coordinator, which is to hear of them from tenants.
    PC_ASSIGN_OR_RETURN(texts_, LoadServedModel(options_.model, "auto"));
    PC_ASSIGN_OR_RETURN(const ServedModel model, LoadServedModel(options_.model, "auto"));
    BenchClusterOptions cluster = options_.cluster;
    cluster.workers = 1;
    const std::string& keys = cluster.directory;
    PC_ASSIGN_OR_RETURN(cluster.security, MakeKeys(keys));
    PC_ASSIGN_OR_RETURN(cluster_, BenchCluster::Start(model, cluster));
    for (const auto& [client, tenant] :
         {std::pair{&alpha_, kTenants[0]}, std::pair{&beta_, kTenants[1]}}) {
      PC_ASSIGN_OR_RETURN(*client, Client::Connect({.endpoints = {cluster_->endpoint()},
                                                    .key_file = KeyFile(keys, tenant),
                                                    .name = tenant}));
    }
    return {};
  }

  const Identity& identity() const { return cluster_->identity(); }

  // Not counted without `times`.
  Status RunPair(Sharing sharing, TenantsTimes* times) {
    PC_ASSIGN_OR_RETURN(const TenantsText known, NextText());
    PC_ASSIGN_OR_RETURN(const TenantsText fresh, NextText());
    const bool known_first = UniformAt(options_.seed, 1, pairs_++) < 0.5;
    const std::string first = NextName(), second = NextName();
    PC_RETURN_IF_ERROR(Register(*beta_, first, known_first ? known : fresh, sharing));
    PC_RETURN_IF_ERROR(Register(*beta_, second, known_first ? fresh : known, sharing));
    PC_RETURN_IF_ERROR(ImportAsAlpha(known, sharing));
    PC_ASSIGN_OR_RETURN(const Answer one, Ask(*beta_, first));
    PC_ASSIGN_OR_RETURN(const Answer other, Ask(*beta_, second));
    return Take(known_first ? one : other, known_first ? other : one, times);
  }

 private:
  Result<TenantsText> NextText() {
    constexpr uint64_t kMostTexts = 1'000'000;
    return MakeTenantsText(*texts_.tokenizer, options_.tokens,
                           options_.seed * kMostTexts + drawn_texts_++);
  }
  std::string NextName() { return fmt::format("bench-{:06}", names_++); }

  static Status Register(Client& client, const std::string& name, const TenantsText& text,
                         Sharing sharing) {
    return client
        .AddSchema({.document = TenantsSchema(name, text), .shared = sharing == Sharing::kOn})
        .status();
  }

  // What it has encoded is in memory and stored then.
  Status ImportAsAlpha(const TenantsText& text, Sharing sharing) {
    const std::string name = NextName();
    PC_RETURN_IF_ERROR(Register(*alpha_, name, text, sharing));
    PC_RETURN_IF_ERROR(Ask(*alpha_, name).status());
    PC_ASSIGN_OR_RETURN(const Answer again, Ask(*alpha_, name));
    for (const UnitUsage& unit : again.usage.units) {
      if (unit.source == Source::kDevice) continue;
      return Internal(fmt::format("unit {} came from {} when its tenant asked again ({})",
                                  unit.path, SourceName(unit.source), unit.miss_reason));
    }
    return {};
  }

  // Returns when all that was encoded is stored, so that the next request finds nothing going on.
  Result<Answer> Ask(Client& client, const std::string& name) {
    struct Submit request {
      .prompt = TenantsPrompt(name)
    };
    request.options.max_new_tokens = 1;
    Answer answer = client.Submit(request);
    PC_RETURN_IF_ERROR(answer.status);
    stored_ += EncodedUnits(answer.usage);
    const SteadyTime give_up = SystemClock().Now() + kPatience;
    while (SystemClock().Now() < give_up) {
      PC_ASSIGN_OR_RETURN(const StoreStats stats, cluster_->store().Stats());
      if (stats.blobs >= stored_) return answer;
      std::this_thread::sleep_for(kPoll);
    }
    return DeadlineExceeded("the store does not hold every unit after 30 s");
  }

  static Status Take(const Answer& known, const Answer& fresh, TenantsTimes* times) {
    if (known.usage.prompt_tokens != fresh.usage.prompt_tokens ||
        known.usage.units.size() != fresh.usage.units.size()) {
      return Internal("the two prompts of a pair differ in tokens or units");
    }
    if (times == nullptr) return {};
    times->known.samples.push_back(known.client_ttft_ms);
    times->fresh.samples.push_back(fresh.client_ttft_ms);
    const auto hits = [](const Usage& usage) {
      return static_cast<uint32_t>(usage.units.size()) - EncodedUnits(usage);
    };
    times->known_hits += hits(known.usage);
    times->fresh_hits += hits(fresh.usage);
    return {};
  }

  const TenantsBenchOptions options_;
  ServedModel texts_;
  std::unique_ptr<BenchCluster> cluster_;
  std::unique_ptr<Client> alpha_;
  std::unique_ptr<Client> beta_;
  uint64_t drawn_texts_ = 0;
  uint64_t names_ = 0;
  uint32_t pairs_ = 0;
  uint64_t stored_ = 0;  // units that the store has or gets
};

}  // namespace

Series TenantsTimes::differences() const {
  Series result;
  for (size_t i = 0; i < known.samples.size(); ++i) {
    result.samples.push_back(known.samples[i] - fresh.samples[i]);
  }
  return result;
}

Result<TenantsBenchReport> MeasureTenants(const TenantsBenchOptions& options,
                                          const ServeBenchProgress& progress) {
  Measurement measurement(options);
  PC_RETURN_IF_ERROR(measurement.Start());
  TenantsBenchReport report{.cpu = CpuName(),
                            .cores = std::thread::hardware_concurrency(),
                            .options = options,
                            .identity = measurement.identity()};
  const uint32_t all = kWarmUp + options.pairs;
  for (uint32_t i = 0; i < all; ++i) {
    const bool counts = i >= kWarmUp;
    PC_RETURN_IF_ERROR(measurement.RunPair(Sharing::kOff, counts ? &report.apart : nullptr));
    PC_RETURN_IF_ERROR(measurement.RunPair(Sharing::kOn, counts ? &report.shared : nullptr));
    if (progress) progress("pairs of first imports", static_cast<double>(i + 1) / all);
  }
  return report;
}

}  // namespace promptcache

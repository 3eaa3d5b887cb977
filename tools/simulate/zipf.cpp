#include <fmt/format.h>

#include <algorithm>

#include "tools/simulate/draws.h"
#include "tools/simulate/workload.h"
#include "tools/simulate/zipf_choice.h"

namespace promptcache {
namespace {

constexpr uint32_t kSharedModules = 200;
constexpr uint32_t kHotSchema = 100;
constexpr uint32_t kOutputTokens = 128;

uint32_t AddUnit(Draws& draws, Workload& workload) {
  workload.unit_tokens.push_back(draws.Integer(600, 1800));
  return static_cast<uint32_t>(workload.unit_tokens.size() - 1);
}

void MakeSchemas(const ZipfOptions& options, Workload& workload) {
  Draws draws(options.seed, 1);
  const auto add_unit = [&] { return AddUnit(draws, workload); };
  for (uint32_t i = 0; i < kSharedModules; ++i) add_unit();
  for (uint32_t i = 0; i < options.schemas; ++i) {
    std::vector<uint32_t>& units = workload.warm.emplace_back();
    const uint32_t modules = draws.Integer(3, 8);
    while (units.size() < modules) {
      const bool shared = draws.Uniform() < 0.2;
      const uint32_t unit = shared ? draws.Integer(0, kSharedModules - 1) : add_unit();
      if (std::find(units.begin(), units.end(), unit) == units.end()) units.push_back(unit);
    }
  }
}

// The schemas as they are at a time that only goes on.
class ChangingSchemas {
 public:
  ChangingSchemas(const ZipfOptions& options, Workload& workload)
      : options_(options),
        workload_(workload),
        units_(workload.warm),
        draws_(options.seed, 3),
        next_s_(options.churn_s) {}

  const std::vector<uint32_t>& At(double now, uint32_t schema) {
    for (; options_.churn_s > 0 && next_s_ <= now; next_s_ += options_.churn_s) Change();
    return units_[schema];
  }

 private:
  void Change() {
    for (std::vector<uint32_t>& units : units_) {
      if (draws_.Uniform() >= options_.churn_share) continue;
      for (uint32_t& unit : units) {
        if (unit >= kSharedModules) unit = AddUnit(draws_, workload_);
      }
    }
  }

  const ZipfOptions& options_;
  Workload& workload_;
  std::vector<std::vector<uint32_t>> units_;
  Draws draws_;
  double next_s_;
};

std::string NameOf(const ZipfOptions& options) {
  std::string name = fmt::format("Zipf {:.1f}, {:g}/s", options.exponent, options.requests_per_s);
  if (options.churn_s > 0) {
    name += fmt::format(", {:g} % new every {:g} s", options.churn_share * 100, options.churn_s);
  }
  return name;
}

}  // namespace

Workload MakeZipf(const ZipfOptions& options) {
  Workload workload{.name = NameOf(options)};
  MakeSchemas(options, workload);
  ChangingSchemas schemas(options, workload);
  const ZipfChoice choice(options.schemas, options.exponent);
  Draws draws(options.seed, 2);
  double now = 0;
  while ((now += draws.Exponential(1 / options.requests_per_s)) < options.seconds) {
    uint32_t schema = choice.At(draws.Uniform());
    const bool hot = draws.Uniform() < options.hot_share && now > options.seconds / 2;
    if (hot) schema = std::min(kHotSchema, options.schemas) - 1;
    workload.requests.push_back({.arrival_s = now,
                                 .schema = schema,
                                 .units = schemas.At(now, schema),
                                 .new_tokens = draws.Integer(100, 600),
                                 .output_tokens = kOutputTokens});
  }
  return workload;
}

}  // namespace promptcache

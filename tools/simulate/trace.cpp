#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "tools/simulate/workload.h"

namespace promptcache {
namespace {

constexpr uint32_t kBlockTokens = 512;
constexpr uint64_t kMaxTraceBytes = 256 << 20;
constexpr uint32_t kMaxTokens = 1 << 24;  // of one request
constexpr double kMaxSeconds = 1e9;

// Hash ids as they occur -> consecutive indices.
class Indices {
 public:
  uint32_t Of(uint64_t id) {
    return indices_.try_emplace(id, static_cast<uint32_t>(indices_.size())).first->second;
  }
  size_t size() const { return indices_.size(); }

 private:
  std::unordered_map<uint64_t, uint32_t> indices_;
};

// Throws nlohmann::json::exception.
SimRequest ParseRequest(const std::string& line, double speed, Indices& units, Indices& schemas) {
  const nlohmann::json json = nlohmann::json::parse(line);
  const auto& hashes = json.at("hash_ids");
  const uint64_t tokens = std::min<uint64_t>(json.at("input_length").get<uint64_t>(), kMaxTokens);
  SimRequest request{.arrival_s = json.at("timestamp").get<double>() / 1000 / speed,
                     .output_tokens = json.at("output_length").get<uint32_t>()};
  for (size_t i = 0; i + 1 < hashes.size(); ++i) {
    request.units.push_back(units.Of(hashes[i].get<uint64_t>()));
  }
  const uint64_t cached = request.units.size() * kBlockTokens;
  request.new_tokens = static_cast<uint32_t>(tokens > cached ? tokens - cached : 1);
  if (!hashes.empty()) {
    request.schema = schemas.Of(hashes[std::min<size_t>(1, hashes.size() - 1)].get<uint64_t>());
  }
  return request;
}

}  // namespace

Result<Workload> ReadTrace(const TraceOptions& options) {
  std::error_code error;
  const uint64_t bytes = std::filesystem::file_size(options.file, error);
  std::ifstream in(options.file);
  if (error || !in) return NotFound("cannot read the trace " + options.file.string());
  if (bytes > kMaxTraceBytes) {
    return ResourceExhausted(options.file.string() + " is larger than 256 MiB");
  }
  Workload workload{.name = fmt::format("{} x{:g}", options.file.stem().string(), options.speed)};
  Indices units;
  Indices schemas;
  std::string line;
  for (size_t number = 1; std::getline(in, line); ++number) {
    if (options.max_requests > 0 && workload.requests.size() == options.max_requests) break;
    SimRequest request;
    try {
      request = ParseRequest(line, options.speed, units, schemas);
    } catch (const nlohmann::json::exception& problem) {
      return DataLoss(fmt::format("{}:{}: not a request of a trace: {}", options.file.string(),
                                  number, problem.what()));
    }
    if (!(request.arrival_s >= 0 && request.arrival_s <= kMaxSeconds)) {
      return DataLoss(fmt::format("{}:{}: a timestamp beyond 0 to 10^9 seconds",
                                  options.file.string(), number));
    }
    workload.requests.push_back(std::move(request));
  }
  std::stable_sort(
      workload.requests.begin(), workload.requests.end(),
      [](const SimRequest& a, const SimRequest& b) { return a.arrival_s < b.arrival_s; });
  workload.unit_tokens.assign(units.size(), kBlockTokens);
  return workload;
}

}  // namespace promptcache

#include "tests/unit/model/oracle.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

namespace promptcache::testing {
namespace {

const std::filesystem::path kFolder = PROMPTCACHE_GOLDEN_DIR "/tiny";

// Logarithms of softmax(logits).
std::vector<double> LogSoftmax(std::span<const float> logits) {
  const double peak = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - peak);
  std::vector<double> logs;
  for (const float logit : logits) logs.push_back(logit - peak - std::log(sum));
  return logs;
}

}  // namespace

std::vector<std::string> OracleModels() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::filesystem::path OracleModelPath(const std::string& name) {
  const auto gguf = kFolder / name / "model.gguf";
  return std::filesystem::exists(gguf) ? gguf : kFolder / name;
}

std::vector<OracleCase> ReadOracle(const std::string& name) {
  std::ifstream text(kFolder / name / "oracle.json");
  const auto json = nlohmann::json::parse(text);
  std::vector<OracleCase> cases;
  for (const auto& item : json.at("cases")) {
    cases.push_back({.name = item.at("name"),
                     .ids = item.at("ids"),
                     .positions = item.at("positions"),
                     .unit = item.at("unit"),
                     .rows = item.at("rows"),
                     .logits = item.at("logits")});
  }
  return cases;
}

OracleCase Only(const OracleCase& c, std::span<const size_t> tokens) {
  OracleCase some{.name = c.name};
  for (const size_t token : tokens) {
    const auto row = std::find(c.rows.begin(), c.rows.end(), token);
    if (row != c.rows.end()) {
      some.rows.push_back(some.ids.size());
      some.logits.push_back(c.logits[static_cast<size_t>(row - c.rows.begin())]);
    }
    some.ids.push_back(c.ids[token]);
    some.positions.push_back(c.positions[token]);
  }
  return some;
}

double LogitDifference(std::span<const float> found, std::span<const float> expected) {
  if (found.size() != expected.size()) return INFINITY;
  double worst = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const double difference = std::abs(static_cast<double>(found[i]) - expected[i]);
    worst = std::isnan(difference) ? INFINITY : std::max(worst, difference);
  }
  const auto [least, most] = std::minmax_element(expected.begin(), expected.end());
  return worst / (static_cast<double>(*most) - *least);
}

double Divergence(std::span<const float> found, std::span<const float> expected) {
  if (found.size() != expected.size()) return INFINITY;
  const std::vector<double> p = LogSoftmax(expected), q = LogSoftmax(found);
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) sum += std::exp(p[i]) * (p[i] - q[i]);
  return std::isnan(sum) ? INFINITY : sum;
}

}  // namespace promptcache::testing

#include "tools/simulate/workload.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <set>

namespace promptcache::testing {
namespace {

class TraceFile {
 public:
  explicit TraceFile(const std::string& text)
      : path_(std::filesystem::temp_directory_path() /
              ("promptcache-trace." + std::to_string(::getpid()))) {
    std::ofstream(path_) << text;
  }
  ~TraceFile() { std::filesystem::remove(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

TEST(Zipf, TheSameSeedGivesTheSameRequests) {
  const Workload a = MakeZipf({.seconds = 5, .seed = 3});
  const Workload b = MakeZipf({.seconds = 5, .seed = 3});
  const Workload c = MakeZipf({.seconds = 5, .seed = 4});
  ASSERT_EQ(a.requests.size(), b.requests.size());
  EXPECT_EQ(a.unit_tokens, b.unit_tokens);
  for (size_t i = 0; i < a.requests.size(); ++i) {
    EXPECT_EQ(a.requests[i].units, b.requests[i].units);
    EXPECT_EQ(a.requests[i].arrival_s, b.requests[i].arrival_s);
  }
  EXPECT_NE(a.unit_tokens, c.unit_tokens);
}

TEST(Zipf, PopularityFallsWithTheRank) {
  const Workload workload = MakeZipf({.exponent = 1, .requests_per_s = 1000, .seconds = 60});
  std::map<uint32_t, double> asked;
  for (const SimRequest& request : workload.requests) ++asked[request.schema];
  EXPECT_NEAR(asked[0] / asked[1], 2, 0.2);
  EXPECT_NEAR(asked[0] / asked[9], 10, 1.5);
  EXPECT_NEAR(static_cast<double>(workload.requests.size()), 60'000, 1000);
}

TEST(Zipf, SchemasHaveThreeToEightModulesAndShareSome) {
  const Workload workload = MakeZipf({.schemas = 2000, .seconds = 1});
  ASSERT_EQ(workload.warm.size(), 2000u);
  size_t shared = 0;
  size_t all = 0;
  for (const auto& units : workload.warm) {
    EXPECT_GE(units.size(), 3u);
    EXPECT_LE(units.size(), 8u);
    EXPECT_EQ(std::set<uint32_t>(units.begin(), units.end()).size(), units.size());
    for (const uint32_t unit : units) shared += unit < 200 ? 1 : 0;
    all += units.size();
  }
  EXPECT_NEAR(static_cast<double>(shared) / static_cast<double>(all), 0.2, 0.02);
}

TEST(Zipf, AHotStepBeginsAtHalfTime) {
  const Workload workload = MakeZipf({.requests_per_s = 500, .seconds = 60, .hot_share = 0.4});
  std::map<uint32_t, double> before;
  std::map<uint32_t, double> after;
  double all_after = 0;
  for (const SimRequest& request : workload.requests) {
    ++(request.arrival_s < 30 ? before : after)[request.schema];
    all_after += request.arrival_s < 30 ? 0 : 1;
  }
  EXPECT_NEAR(after[99] / all_after, 0.4, 0.02);
  EXPECT_LT(before[99], 100);
}

TEST(Zipf, WithChurnSomeSchemasGetNewUnitsEverySoOften) {
  const ZipfOptions calm{.schemas = 400, .requests_per_s = 400, .seconds = 30};
  ZipfOptions options = calm;
  options.churn_s = 10;
  options.churn_share = 0.25;
  const Workload before = MakeZipf(calm);
  const Workload workload = MakeZipf(options);
  ASSERT_EQ(workload.requests.size(), before.requests.size());
  EXPECT_EQ(workload.warm, before.warm) << "what is new is not warm";
  const auto warm_units = static_cast<uint32_t>(before.unit_tokens.size());
  std::map<int, std::map<uint32_t, std::vector<uint32_t>>> units;  // by period and schema
  for (size_t i = 0; i < workload.requests.size(); ++i) {
    const SimRequest& request = workload.requests[i];
    EXPECT_EQ(request.schema, before.requests[i].schema);
    const auto [known, is_new] =
        units[static_cast<int>(request.arrival_s / 10)].emplace(request.schema, request.units);
    EXPECT_EQ(known->second, request.units) << "within a period nothing changes";
  }
  for (const auto& [schema, those] : units[0]) EXPECT_EQ(those, workload.warm[schema]);
  for (int period = 1; period < 3; ++period) {
    double both = 0;
    double changed = 0;
    for (const auto& [schema, now] : units[period]) {
      const auto last = units[period - 1].find(schema);
      if (last == units[period - 1].end()) continue;
      ++both;
      if (last->second == now) continue;
      ++changed;
      ASSERT_EQ(now.size(), last->second.size());
      for (size_t i = 0; i < now.size(); ++i) {
        const bool is_shared = last->second[i] < 200;
        EXPECT_EQ(now[i] == last->second[i], is_shared);
        EXPECT_TRUE(is_shared || now[i] >= warm_units);
      }
    }
    EXPECT_NEAR(changed / both, 0.25, 0.06) << period;
  }
}

TEST(Trace, UnitsAreAllHashesButTheLast) {
  const TraceFile file(
      "{\"timestamp\": 3000, \"input_length\": 1100, \"output_length\": 7, \"hash_ids\": [0, 5, "
      "9]}\n"
      "{\"timestamp\": 1000, \"input_length\": 600, \"output_length\": 8, \"hash_ids\": [0, 5]}\n");
  const auto trace = ReadTrace({.file = file.path(), .speed = 2});
  ASSERT_TRUE(trace.ok()) << trace.status().message();
  ASSERT_EQ(trace->requests.size(), 2u);
  const SimRequest& first = trace->requests[0];
  EXPECT_DOUBLE_EQ(first.arrival_s, 0.5);
  EXPECT_EQ(first.new_tokens, 88u);
  EXPECT_EQ(first.units, (std::vector<uint32_t>{0}));
  const SimRequest& second = trace->requests[1];
  EXPECT_EQ(second.new_tokens, 76u);
  EXPECT_EQ(second.units, (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(second.output_tokens, 7u);
  EXPECT_EQ(first.schema, second.schema);
  EXPECT_EQ(trace->unit_tokens, (std::vector<uint32_t>{512, 512}));
}

TEST(Trace, ABadLineIsNamed) {
  const std::string good =
      "{\"timestamp\": 1, \"input_length\": 600, \"output_length\": 8, \"hash_ids\": [0, 5]}\n";
  for (const std::string bad :
       {"{", "[]",
        "{\"timestamp\": -1, \"input_length\": 1, \"output_length\": 1, \"hash_ids\": [1]}",
        "{\"timestamp\": 1e300, \"input_length\": 1, \"output_length\": 1, \"hash_ids\": [1]}",
        "{\"timestamp\": 1}",
        "{\"timestamp\": \"x\", \"input_length\": 1, \"output_length\": 1, \"hash_ids\": []}",
        "{\"timestamp\": 1, \"input_length\": 1, \"output_length\": 1, \"hash_ids\": [\"a\", "
        "1]}"}) {
    const TraceFile file(good + bad + "\n");
    const auto trace = ReadTrace({.file = file.path()});
    EXPECT_EQ(trace.status().code(), Code::kDataLoss) << bad;
    EXPECT_NE(trace.status().message().find(":2:"), std::string::npos) << bad;
  }
}

TEST(Trace, AMissingFileIsNamed) {
  const auto trace = ReadTrace({.file = "/nowhere/trace.jsonl"});
  EXPECT_EQ(trace.status().code(), Code::kNotFound);
  EXPECT_NE(trace.status().message().find("/nowhere/trace.jsonl"), std::string::npos);
}

}  // namespace
}  // namespace promptcache::testing

#include "tools/bench/load_path.h"

#include <fmt/format.h>

#include "tools/bench/ttft_workload.h"

namespace promptcache {
namespace {

constexpr uint32_t kNewTokens = 8;
constexpr int kRepeats = 5;  // of what is asked of units that are stored

class Sweep {
 public:
  Sweep(EmbeddedSystem& system, const LoadPathOptions& options)
      : system_(system), options_(options) {
    for (const uint32_t tokens : options.tokens) sizes_.push_back({.tokens = tokens});
  }

  // Stores the first units.
  Status WarmUp() { return Encode(0); }

  Status RunLife(uint64_t number) {
    PC_RETURN_IF_ERROR(system_.RestartWorker());
    // It has encoded nothing yet, so it loads; the first answer also starts this and that.
    PC_RETURN_IF_ERROR(Ask(0).status());
    for (size_t i = 0; i < sizes_.size(); ++i) PC_RETURN_IF_ERROR(Load(i));
    PC_RETURN_IF_ERROR(Encode(number));
    for (size_t i = 0; i < sizes_.size(); ++i) PC_RETURN_IF_ERROR(Choose(i));
    return {};
  }

  std::vector<LoadPathSize> Take() && { return std::move(sizes_); }

 private:
  Status Load(size_t index) {
    for (int i = 0; i < kRepeats; ++i) {
      PC_ASSIGN_OR_RETURN(const UnitUsage unit, Ask(index));
      PC_RETURN_IF_ERROR(Expect(unit, Source::kDisk));
      sizes_[index].load.samples.push_back(unit.milliseconds);
    }
    return {};
  }

  Status Choose(size_t index) {
    LoadPathSize& size = sizes_[index];
    for (int i = 0; i < kRepeats; ++i) {
      PC_ASSIGN_OR_RETURN(const UnitUsage unit, Ask(index));
      size.choice.samples.push_back(unit.milliseconds);
      if (unit.source == Source::kDisk) ++size.loads;
    }
    return {};
  }

  // Encodes units of all sizes that nobody has seen before; from then on they are asked for.
  Status Encode(uint64_t number) {
    prompts_.clear();
    for (LoadPathSize& size : sizes_) {
      const WorkloadShape shape{.cached = size.tokens, .modules = 1, .new_tokens = kNewTokens};
      const uint64_t seed = (options_.seed * 100 + number) * 100 + prompts_.size();
      PC_ASSIGN_OR_RETURN(const Workload workload, MakeWorkload(system_.tokenizer(), shape, seed));
      PC_RETURN_IF_ERROR(
          system_.client()
              .AddSchema({.file = workload.schema_name + ".xml", .document = workload.schema})
              .status());
      prompts_.push_back(workload.prompt);
      PC_ASSIGN_OR_RETURN(const UnitUsage unit, Ask(prompts_.size() - 1));
      PC_RETURN_IF_ERROR(Expect(unit, Source::kEncoded));
      size.bytes = unit.bytes;
      if (number > 0) size.encode.samples.push_back(unit.milliseconds);
      PC_RETURN_IF_ERROR(system_.WaitCommitted({.units = {unit}}));
    }
    return {};
  }

  // How the one unit of the prompt was come by.
  Result<UnitUsage> Ask(size_t index) {
    struct Submit request {
      .prompt = prompts_[index]
    };
    request.options.max_new_tokens = 1;
    const Answer answer = system_.client().Submit(request);
    PC_RETURN_IF_ERROR(answer.status);
    if (answer.usage.units.size() != 1) return Internal("the prompt has more than one unit");
    return answer.usage.units[0];
  }

  static Status Expect(const UnitUsage& unit, Source source) {
    if (unit.source == source) return {};
    return Internal(fmt::format("unit {} came from {}, not {} ({})", unit.path,
                                SourceName(unit.source), SourceName(source), unit.miss_reason));
  }

  EmbeddedSystem& system_;
  const LoadPathOptions options_;
  std::vector<LoadPathSize> sizes_;
  std::vector<std::string> prompts_;  // of each size; their units are stored
};

}  // namespace

Result<std::vector<LoadPathSize>> MeasureLoadPath(EmbeddedSystem& system,
                                                  const LoadPathOptions& options,
                                                  const BenchProgress& progress) {
  Sweep sweep(system, options);
  PC_RETURN_IF_ERROR(sweep.WarmUp());
  progress("units stored");
  for (uint32_t i = 1; i <= options.iterations; ++i) {
    PC_RETURN_IF_ERROR(sweep.RunLife(i));
    progress(fmt::format("sweep {} of {}", i, options.iterations));
  }
  return std::move(sweep).Take();
}

}  // namespace promptcache

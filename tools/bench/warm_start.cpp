#include "tools/bench/warm_start.h"

#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <vector>

#include "cachestore/format/blob_io.h"

namespace promptcache {
namespace {

// Reads a blob as a worker does, a layer at a time, and checks every byte of it. Its size.
Result<uint64_t> ReadVerified(BlobStore& store, const UnitKey& key) {
  PC_ASSIGN_OR_RETURN(const auto reader, store.Open(key));
  PC_ASSIGN_OR_RETURN(const BlobHeader header, ReadBlobHeader(*reader));
  PC_ASSIGN_OR_RETURN(const uint64_t layer_bytes, BlobSegmentBytes(header.dtype, header.shape));
  std::vector<uint8_t> layer(layer_bytes);
  for (size_t i = 0; i < header.segments.size(); ++i) {
    PC_RETURN_IF_ERROR(ReadLayer(*reader, header, i, layer));
  }
  return header.total_bytes;
}

class Measurement {
 public:
  Measurement(EmbeddedSystem& system, const WarmStartWork& work) : system_(system), work_(work) {}

  Status Prepare() {
    PC_RETURN_IF_ERROR(system_.client().AddSchema(work_.schema).status());
    PC_RETURN_IF_ERROR(Ask(std::nullopt).status());
    PC_RETURN_IF_ERROR(system_.WaitCommitted(usage_));
    report_.units = static_cast<uint32_t>(usage_.units.size());
    report_.cached_tokens = usage_.cached_tokens;
    for (const UnitUsage& unit : usage_.units) report_.bytes += unit.bytes;
    return {};
  }

  Status RunOnce() {
    PC_ASSIGN_OR_RETURN(const double warm, Ask(Source::kDevice));
    PC_RETURN_IF_ERROR(system_.RestartWorker());
    PC_ASSIGN_OR_RETURN(const double disk, Ask(Source::kDisk));
    PC_ASSIGN_OR_RETURN(const double bytes_per_s, ReadAll());
    report_.warm.samples.push_back(warm);
    report_.disk.samples.push_back(disk);
    report_.bytes_per_s.samples.push_back(bytes_per_s);
    return {};
  }

  WarmStart Take() && { return std::move(report_); }

 private:
  // Milliseconds to the first token; every unit has to come from `expected`, if given.
  Result<double> Ask(std::optional<Source> expected) {
    struct Submit request {
      .prompt = work_.prompt
    };
    request.options.max_new_tokens = 1;
    const Answer answer = system_.client().Submit(request);
    PC_RETURN_IF_ERROR(answer.status);
    for (const UnitUsage& unit : answer.usage.units) {
      if (!expected || unit.source == *expected) continue;
      return Internal(fmt::format("unit {} came from {}, not {} ({})", unit.path,
                                  SourceName(unit.source), SourceName(*expected),
                                  unit.miss_reason));
    }
    usage_ = answer.usage;
    return answer.client_ttft_ms;
  }

  // Bytes a second.
  Result<double> ReadAll() {
    const auto start = std::chrono::steady_clock::now();
    uint64_t bytes = 0;
    for (const UnitUsage& unit : usage_.units) {
      const UnitKey key = MakeUnitKey(system_.identity().Digest(), 0, unit.digest);
      PC_ASSIGN_OR_RETURN(const uint64_t read, ReadVerified(system_.store(), key));
      bytes += read;
    }
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    return static_cast<double>(bytes) / elapsed.count();
  }

  EmbeddedSystem& system_;
  const WarmStartWork work_;
  WarmStart report_;
  Usage usage_;  // of the last answer
};

}  // namespace

Result<WarmStart> MeasureWarmStart(EmbeddedSystem& system, const WarmStartWork& work,
                                   const BenchProgress& progress) {
  Measurement measurement(system, work);
  PC_RETURN_IF_ERROR(measurement.Prepare());
  for (uint32_t i = 1; i <= work.iterations; ++i) {
    PC_RETURN_IF_ERROR(measurement.RunOnce());
    progress(fmt::format("warm start {} of {}", i, work.iterations));
  }
  return std::move(measurement).Take();
}

}  // namespace promptcache

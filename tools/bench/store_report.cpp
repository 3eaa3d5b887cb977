#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "common/version.h"
#include "tools/bench/cpu_time.h"
#include "tools/bench/store_bench.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

double OverMedian(const Series& ours, const Series& theirs) {
  return theirs.median() == 0 ? 0 : ours.median() / theirs.median();
}

std::vector<std::string> Row(const std::string& what, const Series& series, const Series& base) {
  return {what, fmt::format("{:.2f}", series.median() / 1e9),
          fmt::format("{:.2f} - {:.2f}", series.minimum() / 1e9, series.maximum() / 1e9),
          fmt::format("{:.2f}", OverMedian(series, base))};
}

double CopiesAByte(const RemoteReads& reads) {
  const uint64_t bytes = reads.window_bytes + reads.stream_bytes + reads.message_bytes;
  return bytes == 0 ? 0 : static_cast<double>(reads.copied_bytes) / static_cast<double>(bytes);
}

}  // namespace

nlohmann::json StoreBenchToJson(const StoreBenchReport& report) {
  nlohmann::json json = {
      {"build_type", kBuildType},
      {"version", kVersion},
      {"cpu", report.cpu},
      {"durability",
       "put: chunks synced and ingested, then the manifest in a synced log; file: "
       "write and fdatasync"},
      {"write_amplification", report.write_amplification},
      {"stream_bytes", report.streamed.stream_bytes},
      {"stream_copied_bytes", report.streamed.copied_bytes},
      {"window_bytes", report.shared.window_bytes},
      {"window_copied_bytes", report.shared.copied_bytes},
      {"sizes", nlohmann::json::array()},
      {"parallel", nlohmann::json::array()}};
  for (const StoreBenchSize& size : report.sizes) {
    nlohmann::json one = {{"blob_bytes", size.bytes},
                          {"blobs", size.blobs},
                          {"read_over_file", OverMedian(size.store_read, size.file_read)},
                          {"pinned_over_file", OverMedian(size.store_pinned, size.file_read)},
                          {"put_over_file", OverMedian(size.store_put, size.file_write)},
                          {"tcp_over_read", OverMedian(size.tcp_read, size.store_read)},
                          {"messages_over_read", OverMedian(size.message_read, size.store_read)},
                          {"bare_tcp_over_read", OverMedian(size.bare_tcp, size.store_read)},
                          {"window_over_read", OverMedian(size.window_read, size.store_read)},
                          {"stolen_share", size.stolen_share}};
    AddSeries(one, "file_write_bytes_per_s", size.file_write);
    AddSeries(one, "put_bytes_per_s", size.store_put);
    AddSeries(one, "file_read_bytes_per_s", size.file_read);
    AddSeries(one, "read_bytes_per_s", size.store_read);
    AddSeries(one, "pinned_bytes_per_s", size.store_pinned);
    AddSeries(one, "tcp_bytes_per_s", size.tcp_read);
    AddSeries(one, "message_bytes_per_s", size.message_read);
    AddSeries(one, "bare_tcp_bytes_per_s", size.bare_tcp);
    AddSeries(one, "window_bytes_per_s", size.window_read);
    json["sizes"].push_back(std::move(one));
  }
  for (const ParallelReads& one : report.parallel) {
    json["parallel"].push_back({{"readers", one.readers},
                                {"bytes_per_s", one.bytes_per_second},
                                {"lock_wait_share", one.lock_wait_share}});
  }
  for (const LayoutTrial& trial : report.layouts) {
    nlohmann::json one = {{"name", trial.name}, {"write_amplification", trial.write_amplification}};
    AddSeries(one, "put_seconds", {trial.put_seconds});
    AddSeries(one, "read_seconds", {trial.read_seconds});
    json["layouts"].push_back(std::move(one));
  }
  if (report.small_blobs > 0) {
    json["many"] = {{"blobs", report.small_blobs},
                    {"put_seconds", report.small_put_seconds},
                    {"open_seconds", report.open_seconds},
                    {"list_seconds", report.list_seconds}};
  }
  return json;
}

std::string RenderStoreBench(const StoreBenchReport& report) {
  std::string out = fmt::format("{}\n", report.cpu);
  for (const StoreBenchSize& size : report.sizes) {
    Table table({{""}, {"GB/s", Align::kRight}, {"range", Align::kRight}, {"over", Align::kRight}});
    for (auto& row : {Row("file, write and fdatasync", size.file_write, size.file_write),
                      Row("store, put", size.store_put, size.file_write),
                      Row("file, pread", size.file_read, size.file_read),
                      Row("store, read and verified", size.store_read, size.file_read),
                      Row("  in the store's memory", size.store_pinned, size.file_read),
                      Row("  over tcp", size.tcp_read, size.store_read),
                      Row("  over tcp in messages", size.message_read, size.store_read),
                      Row("  (a bare tcp connection)", size.bare_tcp, size.store_read),
                      Row("  through shared memory", size.window_read, size.store_read)}) {
      table.AddRow(row);
    }
    out += fmt::format("\n{} blobs of {:.1f} MiB\n{}{}", size.blobs,
                       static_cast<double>(size.bytes) / (1 << 20), table.Render(),
                       StolenWarning(size.stolen_share));
  }
  out += "\n";
  for (const ParallelReads& one : report.parallel) {
    out +=
        fmt::format("{} readers at once: {:.2f} GB/s, {:.2f} % of their time waiting for locks\n",
                    one.readers, one.bytes_per_second / 1e9, 100 * one.lock_wait_share);
  }
  if (!report.layouts.empty()) {
    Table table({{"layout, blobs of 4 MiB"},
                 {"put", Align::kRight},
                 {"RocksDB's read", Align::kRight},
                 {"written a byte", Align::kRight}});
    for (const LayoutTrial& trial : report.layouts) {
      table.AddRow({trial.name, FormatMs(1e3 * Series{trial.put_seconds}.median()),
                    FormatMs(1e3 * Series{trial.read_seconds}.median()),
                    fmt::format("{:.2f}", trial.write_amplification)});
    }
    out += table.Render() + "\n";
  }
  if (report.small_blobs > 0) {
    out += fmt::format("{} blobs: stored in {:.1f} s, opened in {:.3f} s, listed in {:.3f} s\n",
                       report.small_blobs, report.small_put_seconds, report.open_seconds,
                       report.list_seconds);
  }
  out += fmt::format(
      "written bytes a byte of blob: {:.3f}; user-space copies a byte over tcp: {:.2f}, through "
      "shared memory: {:.2f}\n",
      report.write_amplification, CopiesAByte(report.streamed), CopiesAByte(report.shared));
  return out;
}

}  // namespace promptcache

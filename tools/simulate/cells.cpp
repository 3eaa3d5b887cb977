#include "tools/simulate/cells.h"

namespace promptcache {
namespace {

Cell ZipfCell(std::string name, std::string what, double exponent, double rate, double seconds) {
  return {.name = std::move(name),
          .what = std::move(what),
          .zipf = {.exponent = exponent, .requests_per_s = rate, .seconds = seconds},
          .gpus = 16};
}

std::vector<Cell> MakeCells() {
  std::vector<Cell> cells = {
      ZipfCell("zipf1.0-84", "16 GPUs, 773 requests/s", 1.0, 773, 120),
      ZipfCell("zipf1.0-99", "16 GPUs, 909 requests/s", 1.0, 909, 120),
      ZipfCell("zipf1.4", "16 GPUs, a few schemas make most requests", 1.4, 480, 120),
      ZipfCell("mixed", "4 GPUs and 12 CPUs", 1.0, 60, 200),
      ZipfCell("cpu", "16 CPUs", 1.0, 15, 800),
      {.name = "conversation",
       .what = "16 GPUs, the Mooncake trace three times as fast",
       .trace_speed = 3,
       .gpus = 16}};
  cells[3].gpus = 4;
  cells[3].cpus = 12;
  cells[4].gpus = 0;
  cells[4].cpus = 16;
  return cells;
}

}  // namespace

std::vector<WorkerModel> Cell::Workers() const {
  std::vector<WorkerModel> workers(gpus, GpuModel());
  workers.insert(workers.end(), cpus, CpuModel());
  return workers;
}

Result<Workload> Cell::MakeWorkload(const std::filesystem::path& traces) const {
  if (trace_speed == 0) return MakeZipf(zipf);
  return ReadTrace({.file = traces / "mooncake/conversation_trace.jsonl", .speed = trace_speed});
}

const std::vector<Cell>& Cells() {
  static const std::vector<Cell> cells = MakeCells();
  return cells;
}

Result<Cell> FindCell(std::string_view name) {
  std::string names;
  for (const Cell& cell : Cells()) {
    if (cell.name == name) return cell;
    names += (names.empty() ? "" : ", ") + cell.name;
  }
  return InvalidArgument("there is no cell '" + std::string(name) + "'; there are " + names);
}

Disturbances Disturbed() { return {.noise = 0.5, .report_interval_s = 2, .away_share = 0.025}; }

}  // namespace promptcache

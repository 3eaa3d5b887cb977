#include "tools/cli/table.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>

namespace promptcache {
namespace {

// Characters, not bytes: continuation bytes of UTF-8 take no column.
size_t Width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(),
                                           [](unsigned char c) { return (c & 0xC0U) != 0x80U; }));
}

std::string Pad(const std::string& text, size_t width, Align align) {
  const std::string space(width - std::min(width, Width(text)), ' ');
  return align == Align::kLeft ? text + space : space + text;
}

void AppendTrimmed(std::string line, std::string& out) {
  line.erase(line.find_last_not_of(' ') + 1);
  out += line + "\n";
}

}  // namespace

void Table::AddRow(std::vector<std::string> cells) {
  assert(cells.size() == columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::Render() const {
  std::vector<size_t> widths;
  size_t total = 0;
  for (size_t c = 0; c < columns_.size(); ++c) {
    size_t width = Width(columns_[c].title);
    for (const auto& row : rows_) width = std::max(width, Width(row[c]));
    widths.push_back(width);
    total += width + (c == 0 ? 0 : 2);
  }
  std::string out;
  std::string line;
  for (size_t c = 0; c < columns_.size(); ++c) {
    line += (c == 0 ? "" : "  ") + Pad(columns_[c].title, widths[c], columns_[c].align);
  }
  AppendTrimmed(line, out);
  out += std::string(total, '-') + "\n";
  for (const auto& row : rows_) {
    line.clear();
    for (size_t c = 0; c < columns_.size(); ++c) {
      line += (c == 0 ? "" : "  ") + Pad(row[c], widths[c], columns_[c].align);
    }
    AppendTrimmed(line, out);
  }
  return out;
}

std::string FormatBytes(unsigned long long bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  static constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (value /= 1024; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string FormatMs(double milliseconds) {
  if (milliseconds < 10) return fmt::format("{:.2f} ms", milliseconds);
  if (milliseconds < 1000) return fmt::format("{:.0f} ms", milliseconds);
  return fmt::format("{:.2f} s", milliseconds / 1000);
}

std::string FormatSpan(double seconds) {
  if (seconds < 60) return fmt::format("{:.0f} s", std::floor(seconds));
  if (seconds < 3600) return fmt::format("{:.0f} min", std::floor(seconds / 60));
  if (seconds < 86400) return fmt::format("{:.0f} h", std::floor(seconds / 3600));
  return fmt::format("{:.0f} d", std::floor(seconds / 86400));
}

std::string FormatUtc(uint64_t unix_ms) {
  if (unix_ms == 0) return "-";
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::gmtime(static_cast<std::time_t>(unix_ms / 1000)));
}

std::string FormatDigest(const Digest256& digest) { return digest.ToHex().substr(0, 12); }

}  // namespace promptcache

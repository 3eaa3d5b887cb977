// Plain text tables for reading: columns padded to their widest cell, numbers to the right.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/hash.h"

namespace promptcache {

enum class Align : unsigned char { kLeft, kRight };

struct Column {
  std::string title;
  Align align = Align::kLeft;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // REQUIRES: one cell per column.
  void AddRow(std::vector<std::string> cells);
  // Title row, a rule, the rows; each line ends with a line feed. Widths count characters.
  std::string Render() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

std::string FormatBytes(unsigned long long bytes);  // "512 B", "5.9 MiB"
std::string FormatMs(double milliseconds);          // "0.42 ms", "93 ms", "1.72 s"
std::string FormatSpan(double seconds);             // "12 s", "3 min", "5 h", "2 d": rounded down
std::string FormatUtc(uint64_t unix_ms);            // "2026-01-31 23:59:59", "-" for 0
std::string FormatDigest(const Digest256& digest);  // the first 12 hex digits

}  // namespace promptcache

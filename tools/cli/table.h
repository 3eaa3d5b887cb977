// Plain text tables for reading: columns padded to their widest cell, numbers to the right.
#pragma once

#include <string>
#include <vector>

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

}  // namespace promptcache

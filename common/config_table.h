// The table behind common/config.h. Internal to common/.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <variant>

#include "common/config.h"

namespace promptcache::internal {

// Where a setting lives in Settings.
using SettingTarget = std::variant<std::string*, int64_t*, bool*, std::vector<std::string>*>;

// A default list: of one text, or of none.
struct TextList {
  const char* only = nullptr;
};

struct SettingRow {
  const char* table;
  const char* name;
  SettingTarget (*target)(Settings&);
  std::variant<const char*, int64_t, bool, TextList> fallback;
  int64_t minimum;  // integers only
  int64_t maximum;
  const char* unit;
  const char* meaning;
};

std::span<const SettingRow> SettingRows();

}  // namespace promptcache::internal

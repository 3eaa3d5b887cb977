// Structured logs: an event name and fields, as text for people or one JSON object a line.
// Prompts, answers and secrets are never logged.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include "common/status.h"

namespace promptcache {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError, kOff };
enum class LogFormat : uint8_t { kText, kJson };

Result<LogLevel> ParseLogLevel(
    std::string_view name);  // "debug", "info", "warning", "error", "off"
Result<LogFormat> ParseLogFormat(std::string_view name);  // "text", "json"

// One field of a log line. Numbers stay numbers in JSON.
class LogField {
 public:
  LogField(std::string_view key, std::string_view value) : key_(key), value_(value) {}
  LogField(std::string_view key, const std::string& value) : key_(key), value_(value) {}
  LogField(std::string_view key, const char* value) : key_(key), value_(value) {}
  template <typename T>
  requires std::is_arithmetic_v<T> LogField(std::string_view key, T value)
      : key_(key), value_(std::to_string(value)), is_number_(true) {}

  const std::string& key() const { return key_; }
  const std::string& value() const { return value_; }
  bool is_number() const { return is_number_; }

 private:
  std::string key_;
  std::string value_;
  bool is_number_ = false;
};

// Where the process's log goes: standard error. Call once at start, before other threads.
void InitLog(std::string_view component, LogLevel level, LogFormat format);

// Thread safe. Before InitLog: warnings and errors as text.
void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

// The line that Log writes, without its line feed. Pure.
std::string FormatLogLine(LogFormat format, std::string_view component, LogLevel level,
                          std::string_view event, std::initializer_list<LogField> fields);

}  // namespace promptcache

#include "common/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace promptcache {
namespace {

std::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
    case LogLevel::kOff:
      return "off";
  }
  return "unknown";
}

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

void AppendEscaped(std::string_view text, std::string& out) {
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
}

bool NeedsQuotes(std::string_view value) {
  return value.empty() || value.find_first_of(" \"\\=\n\t\r") != std::string_view::npos;
}

struct Destination {
  std::string component;
  LogFormat format = LogFormat::kText;
  std::shared_ptr<spdlog::logger> logger;
};

Destination MakeDestination(std::string_view component, LogLevel level, LogFormat format) {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  auto logger = std::make_shared<spdlog::logger>(std::string(component), std::move(sink));
  logger->set_level(ToSpdlog(level));
  logger->flush_on(spdlog::level::info);
  // The line carries its own level and component; spdlog adds the time only.
  logger->set_pattern(format == LogFormat::kJson ? "{\"ts\":\"%Y-%m-%dT%H:%M:%S.%fZ\",%v}"
                                                 : "%Y-%m-%dT%H:%M:%S.%fZ %v",
                      spdlog::pattern_time_type::utc);
  return {std::string(component), format, std::move(logger)};
}

Destination& TheDestination() {
  static Destination destination =
      MakeDestination("promptcache", LogLevel::kWarning, LogFormat::kText);
  return destination;
}

}  // namespace

Result<LogLevel> ParseLogLevel(std::string_view name) {
  for (LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError, LogLevel::kOff}) {
    if (LevelName(level) == name) return level;
  }
  return InvalidArgument("log level '" + std::string(name) +
                         "' is not one of debug, info, warning, error, off");
}

Result<LogFormat> ParseLogFormat(std::string_view name) {
  if (name == "text") return LogFormat::kText;
  if (name == "json") return LogFormat::kJson;
  return InvalidArgument("log format '" + std::string(name) + "' is not text or json");
}

std::string FormatLogLine(LogFormat format, std::string_view component, LogLevel level,
                          std::string_view event, std::initializer_list<LogField> fields) {
  std::string line;
  if (format == LogFormat::kText) {
    line = fmt::format("{} {}: {}", LevelName(level), component, event);
    for (const LogField& field : fields) {
      line += " " + field.key() + "=";
      if (!NeedsQuotes(field.value())) {
        line += field.value();
        continue;
      }
      line += '"';
      AppendEscaped(field.value(), line);
      line += '"';
    }
    return line;
  }
  line = fmt::format("\"level\":\"{}\",\"component\":\"{}\",\"event\":\"", LevelName(level),
                     component);
  AppendEscaped(event, line);
  line += '"';
  for (const LogField& field : fields) {
    line += ",\"" + field.key() + "\":";
    if (field.is_number()) {
      line += field.value();
      continue;
    }
    line += '"';
    AppendEscaped(field.value(), line);
    line += '"';
  }
  return line;
}

void InitLog(std::string_view component, LogLevel level, LogFormat format) {
  TheDestination() = MakeDestination(component, level, format);
}

void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  const Destination& to = TheDestination();
  if (!to.logger->should_log(ToSpdlog(level))) return;
  to.logger->log(ToSpdlog(level), "{}",
                 FormatLogLine(to.format, to.component, level, event, fields));
}

}  // namespace promptcache

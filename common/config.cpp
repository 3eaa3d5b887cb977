#include "common/config.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>

#include "common/config_table.h"
#include "common/edit_distance.h"

namespace promptcache {
namespace {

using internal::SettingRow;
using internal::SettingRows;
using internal::SettingTarget;

constexpr uint64_t kMaxConfigBytes = 1 << 20;

std::string NearestKey(std::string_view key) {
  std::vector<std::string> known;
  for (const SettingRow& row : SettingRows()) {
    known.push_back(fmt::format("{}.{}", row.table, row.name));
  }
  return NearestWord(key, known);
}

std::string Where(std::string_view file, const toml::node& node) {
  return fmt::format("{}:{}: ", file, static_cast<unsigned>(node.source().begin.line));
}

std::string NodeText(const toml::node& node) {
  std::ostringstream out;
  if (const auto* text = node.as_string()) {
    out << '"' << text->get() << '"';
  } else if (const auto* integer = node.as_integer()) {
    out << integer->get();
  } else if (const auto* number = node.as_floating_point()) {
    out << number->get();
  } else if (const auto* flag = node.as_boolean()) {
    out << (flag->get() ? "true" : "false");
  } else {
    out << "a " << node.type();
  }
  return out.str();
}

const SettingRow* FindRow(std::string_view table, std::string_view name) {
  for (const SettingRow& row : SettingRows()) {
    if (row.table == table && row.name == name) return &row;
  }
  return nullptr;
}

Status AssignTexts(const std::string& key, const toml::node& node,
                   std::vector<std::string>& texts) {
  const toml::array* items = node.as_array();
  if (items == nullptr) {
    return InvalidArgument(fmt::format("{} = {} is not a list of strings", key, NodeText(node)));
  }
  texts.clear();
  for (const toml::node& item : *items) {
    if (!item.is_string()) {
      return InvalidArgument(fmt::format("{}: {} is not a string", key, NodeText(item)));
    }
    texts.push_back(item.as_string()->get());
  }
  return {};
}

// Writes `node` to the setting; the message of the failure names key and value, not the place.
Status Assign(const SettingRow& row, const toml::node& node, Settings& settings) {
  const SettingTarget target = row.target(settings);
  const std::string key = fmt::format("{}.{}", row.table, row.name);
  if (std::string* const* text = std::get_if<std::string*>(&target)) {
    if (!node.is_string()) {
      return InvalidArgument(fmt::format("{} = {} is not a string", key, NodeText(node)));
    }
    **text = node.as_string()->get();
    return {};
  }
  if (bool* const* flag = std::get_if<bool*>(&target)) {
    if (!node.is_boolean()) {
      return InvalidArgument(fmt::format("{} = {} is not true or false", key, NodeText(node)));
    }
    **flag = node.as_boolean()->get();
    return {};
  }
  if (auto* const* texts = std::get_if<std::vector<std::string>*>(&target)) {
    return AssignTexts(key, node, **texts);
  }
  if (!node.is_integer()) {
    return InvalidArgument(fmt::format("{} = {} is not an integer", key, NodeText(node)));
  }
  const int64_t value = node.as_integer()->get();
  if (value < row.minimum || value > row.maximum) {
    return InvalidArgument(fmt::format("{} = {} is not in {}..{}{}{}", key, value, row.minimum,
                                       row.maximum, *row.unit == '\0' ? "" : " ", row.unit));
  }
  *std::get<int64_t*>(target) = value;
  return {};
}

Status ApplyTable(std::string_view table, const toml::node& node, std::string_view file,
                  Settings& settings) {
  const toml::table* entries = node.as_table();
  const auto rows = SettingRows();
  const bool known = std::any_of(rows.begin(), rows.end(),
                                 [&](const SettingRow& row) { return row.table == table; });
  if (!known || entries == nullptr) {
    return InvalidArgument(fmt::format(
        "{}'{}' is not one of the tables coordinator, store, worker, cluster, security, log",
        Where(file, node), table));
  }
  for (const auto& [name, value] : *entries) {
    const SettingRow* row = FindRow(table, name.str());
    if (row == nullptr) {
      const std::string key = fmt::format("{}.{}", table, name.str());
      const std::string nearest = NearestKey(key);
      return InvalidArgument(fmt::format("{}unknown setting {}{}", Where(file, value), key,
                                         nearest.empty() ? "" : "; did you mean " + nearest + "?"));
    }
    if (Status status = Assign(*row, value, settings); !status.ok()) {
      return InvalidArgument(Where(file, value) + status.message());
    }
  }
  return {};
}

}  // namespace

Settings DefaultSettings() {
  struct Set {
    const SettingTarget& target;
    void operator()(const char* text) const { *std::get<std::string*>(target) = text; }
    void operator()(int64_t number) const { *std::get<int64_t*>(target) = number; }
    void operator()(bool flag) const { *std::get<bool*>(target) = flag; }
    void operator()(internal::TextList list) const {
      auto& texts = *std::get<std::vector<std::string>*>(target);
      if (list.only != nullptr) texts = {list.only};
    }
  };
  Settings settings;
  for (const SettingRow& row : SettingRows()) {
    const SettingTarget target = row.target(settings);
    std::visit(Set{target}, row.fallback);
  }
  return settings;
}

Result<Settings> ParseSettings(std::string_view toml, std::string_view file) {
  Settings settings = DefaultSettings();
  try {
    const toml::table root = toml::parse(toml, file);
    for (const auto& [name, node] : root) {
      PC_RETURN_IF_ERROR(ApplyTable(name.str(), node, file, settings));
    }
  } catch (const toml::parse_error& error) {
    return InvalidArgument(fmt::format("{}:{}: not valid TOML: {}", file,
                                       static_cast<unsigned>(error.source().begin.line),
                                       error.description()));
  } catch (const std::exception& error) {
    return InvalidArgument(fmt::format("{}: {}", file, error.what()));
  }
  return settings;
}

Result<Settings> LoadSettings(const std::string& path) {
  if (path.empty()) return DefaultSettings();
  std::ifstream file(path, std::ios::binary);
  if (!file) return NotFound("cannot read the configuration file " + path);
  std::string text(kMaxConfigBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return NotFound("cannot read the configuration file " + path);
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxConfigBytes) {
    return InvalidArgument(path + ": a configuration file has at most 1 MiB");
  }
  return ParseSettings(text, path);
}

}  // namespace promptcache

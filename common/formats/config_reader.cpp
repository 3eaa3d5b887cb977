#include "common/formats/config_reader.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace promptcache {
namespace {

constexpr size_t kMaxJsonBytes = 1 << 20;

}  // namespace

Status ConfigReader::Wrong(std::string_view key, std::string_view what) const {
  return InvalidArgument(Name(key) + " " + std::string(what));
}

Status ConfigReader::Contradiction(std::string_view what) const {
  return InvalidArgument(Where() + ": " + std::string(what));
}

Status ConfigReader::Unsupported(std::string_view key, std::string_view what) const {
  return Unimplemented(Name(key) + " " + std::string(what));
}

Result<int64_t> ConfigReader::Size(std::string_view key, int64_t max) const {
  if (!Has(key)) return Wrong(key, "is missing");
  PC_ASSIGN_OR_RETURN(const int64_t value, GetInteger(key));
  if (value < 1 || value > max) {
    return Wrong(key, "is " + std::to_string(value) + ", must be 1 to " + std::to_string(max));
  }
  return value;
}

Result<int64_t> ConfigReader::SizeOr(std::string_view key, int64_t max, int64_t absent) const {
  return Has(key) ? Size(key, max) : Result<int64_t>(absent);
}

Result<double> ConfigReader::Positive(std::string_view key) const {
  if (!Has(key)) return Wrong(key, "is missing");
  PC_ASSIGN_OR_RETURN(const double value, NumberOr(key, 0));
  if (value > 0) return value;
  return Wrong(key, "is " + std::to_string(value) + ", must be a positive number");
}

Result<double> ConfigReader::PositiveOr(std::string_view key, double absent) const {
  return Has(key) ? Positive(key) : Result<double>(absent);
}

Result<double> ConfigReader::NumberOr(std::string_view key, double absent) const {
  if (!Has(key)) return absent;
  PC_ASSIGN_OR_RETURN(const double value, GetNumber(key));
  if (std::isfinite(value)) return value;
  return Wrong(key, "is not a finite number");
}

Result<bool> ConfigReader::FlagOr(std::string_view key, bool absent) const {
  return Has(key) ? GetFlag(key) : Result<bool>(absent);
}

Result<std::string> ConfigReader::TextOr(std::string_view key, std::string_view absent) const {
  return Has(key) ? GetText(key) : Result<std::string>(std::string(absent));
}

// ---- GGUF ----

bool GgufConfig::Has(std::string_view key) const { return file_.Has(Full(key)); }

std::string GgufConfig::Name(std::string_view key) const {
  return file_.name() + ": '" + Full(key) + "'";
}

Result<int64_t> GgufConfig::GetInteger(std::string_view key) const {
  const auto value = file_.GetUnsigned(Full(key));
  if (!value.ok()) return value.status().WithContext(file_.name());
  if (*value > INT64_MAX) return Wrong(key, "is " + std::to_string(*value));
  return static_cast<int64_t>(*value);
}

Result<double> GgufConfig::GetNumber(std::string_view key) const {
  const auto value = file_.GetFloat(Full(key));
  if (!value.ok()) return value.status().WithContext(file_.name());
  return value;
}

Result<bool> GgufConfig::GetFlag(std::string_view key) const {
  const auto value = file_.GetBool(Full(key));
  if (!value.ok()) return value.status().WithContext(file_.name());
  return value;
}

Result<std::string> GgufConfig::GetText(std::string_view key) const {
  auto value = file_.GetString(Full(key));
  if (!value.ok()) return value.status().WithContext(file_.name());
  return value;
}

// ---- JSON ----

Result<JsonConfig> JsonConfig::Parse(std::string_view json, const std::string& name) {
  if (json.size() > kMaxJsonBytes) {
    return InvalidArgument(name + ": " + std::to_string(json.size()) + " bytes, at most " +
                           std::to_string(kMaxJsonBytes) + " are read");
  }
  try {
    auto root = std::make_shared<const nlohmann::json>(nlohmann::json::parse(json));
    if (!root->is_object()) return InvalidArgument(name + ": not a JSON object");
    const nlohmann::json* object = root.get();
    return JsonConfig(std::move(root), object, name);
  } catch (const nlohmann::json::exception& error) {
    return InvalidArgument(name + ": " + error.what());
  }
}

bool JsonConfig::Has(std::string_view key) const {
  const auto found = object_->find(key);
  return found != object_->end() && !found->is_null();
}

bool JsonConfig::IsText(std::string_view key) const {
  return Has(key) && object_->at(std::string(key)).is_string();
}

Result<JsonConfig> JsonConfig::Object(std::string_view key) const {
  static const auto kEmpty = std::make_shared<const nlohmann::json>(nlohmann::json::object());
  const std::string name = name_ + ": '" + std::string(key) + "'";
  if (!Has(key)) return JsonConfig(kEmpty, kEmpty.get(), name);
  const nlohmann::json& value = object_->at(std::string(key));
  if (!value.is_object()) return Wrong(key, "is not an object");
  return JsonConfig(root_, &value, name);
}

std::string_view JsonConfig::Spelling(const ConfigReader& config,
                                      std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    if (config.Has(key)) return key;
  }
  return *(keys.end() - 1);
}

std::string JsonConfig::Name(std::string_view key) const {
  return name_ + ": '" + std::string(key) + "'";
}

Result<int64_t> JsonConfig::GetInteger(std::string_view key) const {
  const nlohmann::json& value = object_->at(std::string(key));
  if (value.is_number_integer() &&
      (!value.is_number_unsigned() || value.get<uint64_t>() <= INT64_MAX)) {
    return value.get<int64_t>();
  }
  return Wrong(key, "is not a whole number");
}

Result<double> JsonConfig::GetNumber(std::string_view key) const {
  const nlohmann::json& value = object_->at(std::string(key));
  if (value.is_number()) return value.get<double>();
  return Wrong(key, "is not a number");
}

Result<bool> JsonConfig::GetFlag(std::string_view key) const {
  const nlohmann::json& value = object_->at(std::string(key));
  if (value.is_boolean()) return value.get<bool>();
  return Wrong(key, "is not true or false");
}

Result<std::string> JsonConfig::GetText(std::string_view key) const {
  const nlohmann::json& value = object_->at(std::string(key));
  if (value.is_string()) return value.get<std::string>();
  return Wrong(key, "is not a text");
}

}  // namespace promptcache

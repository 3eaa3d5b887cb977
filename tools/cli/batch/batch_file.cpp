#include "tools/cli/batch/batch_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/edit_distance.h"
#include "common/types.h"

namespace promptcache {
namespace {

using nlohmann::json;

constexpr double kLongestDeadline = 30.0 * 24 * 3600;

template <typename T>
Status TakeNumber(const json& value, T& out) {
  const bool fits = value.is_number_unsigned() &&
                    value.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<T>::max());
  if (!fits) {
    return InvalidArgument(
        fmt::format("must be a whole number from 0 to {}", std::numeric_limits<T>::max()));
  }
  out = value.get<T>();
  return {};
}

template <>
Status TakeNumber(const json& value, double& out) {
  if (!value.is_number()) return InvalidArgument("must be a number");
  out = value.get<double>();
  return {};
}

Status TakeText(const json& value, std::string& out) {
  if (!value.is_string()) return InvalidArgument("must be a text");
  out = value.get<std::string>();
  return {};
}

Status TakeFlag(const json& value, bool& out) {
  if (!value.is_boolean()) return InvalidArgument("must be true or false");
  out = value.get<bool>();
  return {};
}

Status TakeTexts(const json& value, std::vector<std::string>& out) {
  out.clear();
  if (!value.is_array()) return TakeText(value, out.emplace_back());
  for (const json& one : value) PC_RETURN_IF_ERROR(TakeText(one, out.emplace_back()));
  return {};
}

Status TakeRepair(const json& value, Submit& submit) {
  std::string name;
  PC_RETURN_IF_ERROR(TakeText(value, name));
  submit.repair = FindRepair(name);
  return submit.repair ? Status() : InvalidArgument("must be none, linked or full");
}

Status TakeDeadline(const json& value, uint64_t& timeout_ms) {
  double seconds = 0;
  PC_RETURN_IF_ERROR(TakeNumber(value, seconds));
  if (!(seconds >= 0.001 && seconds <= kLongestDeadline)) {
    return InvalidArgument("must be seconds from 0.001 to 2592000 (30 days)");
  }
  timeout_ms = static_cast<uint64_t>(seconds * 1000);
  return {};
}

// What a line may say, by the names of submit's options.
struct Line {
  BatchItem item;
  bool no_cache = false;
  bool contiguous = false;
};
using Field = std::function<Status(const json& value, Line& line)>;

const std::map<std::string, Field>& Fields() {
  static const auto* const fields = new std::map<std::string, Field>{
      {"prompt", [](const json& v, Line& l) { return TakeText(v, l.item.submit.prompt); }},
      {"name", [](const json& v, Line& l) { return TakeText(v, l.item.name); }},
      {"id", [](const json& v, Line& l) { return TakeText(v, l.item.name); }},
      {"model", [](const json& v, Line& l) { return TakeText(v, l.item.submit.model); }},
      {"max_new_tokens",
       [](const json& v, Line& l) { return TakeNumber(v, l.item.submit.options.max_new_tokens); }},
      {"max_tokens",
       [](const json& v, Line& l) { return TakeNumber(v, l.item.submit.options.max_new_tokens); }},
      {"temperature",
       [](const json& v, Line& l) { return TakeNumber(v, l.item.submit.options.temperature); }},
      {"top_p", [](const json& v, Line& l) { return TakeNumber(v, l.item.submit.options.top_p); }},
      {"top_k", [](const json& v, Line& l) { return TakeNumber(v, l.item.submit.options.top_k); }},
      {"repetition_penalty",
       [](const json& v, Line& l) {
         return TakeNumber(v, l.item.submit.options.repetition_penalty);
       }},
      {"seed", [](const json& v, Line& l) { return TakeNumber(v, l.item.submit.options.seed); }},
      {"stop",
       [](const json& v, Line& l) { return TakeTexts(v, l.item.submit.options.stop_strings); }},
      {"samples",
       [](const json& v, Line& l) { return TakeNumber(v, l.item.submit.options.samples); }},
      {"no_cache", [](const json& v, Line& l) { return TakeFlag(v, l.no_cache); }},
      {"contiguous", [](const json& v, Line& l) { return TakeFlag(v, l.contiguous); }},
      {"repair", [](const json& v, Line& l) { return TakeRepair(v, l.item.submit); }},
      {"linked_tokens",
       [](const json& v, Line& l) { return TakeNumber(v, l.item.submit.linked_tokens); }},
      {"priority", [](const json& v, Line& l) { return TakeNumber(v, l.item.submit.priority); }},
      {"deadline", [](const json& v, Line& l) { return TakeDeadline(v, l.item.timeout_ms); }},
  };
  return *fields;
}

Status UnknownField(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& [field, take] : Fields()) known.push_back(field);
  const std::string nearest = NearestWord(name, known);
  const std::string meant = nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?";
  return InvalidArgument(
      fmt::format("unknown field \"{}\"{}; known are {}", name, meant, fmt::join(known, ", ")));
}

Result<BatchItem> ParseLine(const std::string& text, const BatchItem& defaults) {
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object()) return InvalidArgument("not a JSON object");
  Line line{.item = defaults};
  for (const auto& [name, value] : object.items()) {
    const auto field = Fields().find(name);
    if (field == Fields().end()) return UnknownField(name);
    PC_RETURN_IF_ERROR(field->second(value, line).WithContext("\"" + name + "\""));
  }
  Submit& submit = line.item.submit;
  if (submit.prompt.empty()) return InvalidArgument("there is no \"prompt\"");
  if (line.contiguous && !line.no_cache) {
    return InvalidArgument("\"contiguous\" needs \"no_cache\"");
  }
  if (line.no_cache) {
    submit.reuse = line.contiguous ? ReuseMode::kFullContiguous : ReuseMode::kFull;
    if (object.contains("repair") || object.contains("linked_tokens")) {
      return InvalidArgument("\"repair\" has no meaning with \"no_cache\"");
    }
    submit.repair.reset();
    submit.linked_tokens = 0;
  }
  PC_RETURN_IF_ERROR(submit.options.Validate());
  return std::move(line.item);
}

}  // namespace

Result<BatchAdd> ParseBatchFile(const std::string& file, const std::string& text,
                                const BatchItem& defaults) {
  BatchAdd batch;
  std::istringstream lines(text);
  std::string line;
  for (size_t number = 1; std::getline(lines, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    Result<BatchItem> item = ParseLine(line, defaults);
    if (!item.ok()) {
      return InvalidArgument(fmt::format("{}:{}: {}", file, number, item.status().message()));
    }
    batch.items.push_back(*std::move(item));
  }
  if (batch.items.empty()) return InvalidArgument(file + ": there is no prompt in it");
  return batch;
}

}  // namespace promptcache

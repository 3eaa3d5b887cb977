#include "common/tenant_limits.h"

#include <array>
#include <charconv>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>

namespace promptcache {
namespace {

constexpr char kOthers[] = "*";

struct Size {
  std::string_view unit;
  uint32_t shift = 0;
};
constexpr std::array<Size, 4> kSizes = {{{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}}};

enum class Kind { kCount, kSize };
struct Quantity {
  const char* name;
  uint64_t TenantLimit::*value;
  Kind kind;
};
constexpr std::array<Quantity, 3> kQuantities = {
    {{"requests", &TenantLimit::requests, Kind::kCount},
     {"bytes", &TenantLimit::bytes, Kind::kSize},
     {"pinned", &TenantLimit::pinned_bytes, Kind::kSize}}};

// "64"; of a size also "10GiB".
std::optional<uint64_t> ParseNumber(std::string_view text, Kind kind) {
  uint32_t shift = 0;
  for (const Size& size : kSizes) {
    if (kind != Kind::kSize || !text.ends_with(size.unit)) continue;
    text.remove_suffix(size.unit.size());
    shift = size.shift;
  }
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  const bool fits = number <= (TenantLimit::kNone >> 1) >> shift;
  if (error != std::errc() || stop != end || !fits) return std::nullopt;
  return number << shift;
}

Status ParseWord(const std::string& word, TenantLimit& limit) {
  const size_t equals = word.find('=');
  for (const Quantity& quantity : kQuantities) {
    if (word.substr(0, equals) != quantity.name || equals == std::string::npos) continue;
    const auto number = ParseNumber(std::string_view(word).substr(equals + 1), quantity.kind);
    if (!number) {
      return InvalidArgument(
          "'" + word + "' is not " + quantity.name + "= and a number" +
          (quantity.kind == Kind::kSize ? ", with KiB, MiB, GiB or TiB behind it" : ""));
    }
    if (limit.*quantity.value != TenantLimit::kNone) {
      return InvalidArgument(std::string(quantity.name) + " is there twice");
    }
    limit.*quantity.value = *number;
    return {};
  }
  return InvalidArgument("'" + word + "' is none of requests=, bytes= and pinned=");
}

Result<std::pair<std::string, TenantLimit>> ParseLine(const std::string& line) {
  std::istringstream words(line);
  std::pair<std::string, TenantLimit> parsed;
  if (!(words >> parsed.first)) return InvalidArgument("no tenant is named");
  if (parsed.first.find('=') != std::string::npos) {
    return InvalidArgument("it begins with '" + parsed.first + "', not with a tenant or *");
  }
  for (std::string word; words >> word;) {
    PC_RETURN_IF_ERROR(ParseWord(word, parsed.second));
  }
  return parsed;
}

}  // namespace

Result<TenantLimits> TenantLimits::Parse(const std::vector<std::string>& lines) {
  TenantLimits limits;
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string where =
        "security.tenant_limits, line " + std::to_string(i + 1) + " (\"" + lines[i] + "\")";
    auto line = ParseLine(lines[i]);
    if (!line.ok()) return line.status().WithContext(where);
    if (!limits.tenants_.insert(*line).second) {
      return InvalidArgument(where + ": '" + line->first + "' has a line already");
    }
  }
  return limits;
}

TenantLimit TenantLimits::Of(const std::string& tenant) const {
  if (tenant.empty()) return {};
  auto found = tenants_.find(tenant);
  if (found == tenants_.end()) found = tenants_.find(kOthers);
  return found == tenants_.end() ? TenantLimit() : found->second;
}

}  // namespace promptcache

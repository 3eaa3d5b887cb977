#include "worker/settings/device_name.h"

#include <charconv>
#include <string_view>

namespace promptcache {

Result<std::optional<int8_t>> ParseDeviceName(const std::string& name) {
  if (name == "cpu") return std::optional<int8_t>();
  if (name == "cuda") return std::optional<int8_t>(int8_t{0});
  int8_t number = -1;
  if (name.starts_with("cuda:")) {
    const std::string_view digits = std::string_view(name).substr(5);
    const char* const end = digits.data() + digits.size();
    const auto parsed = std::from_chars(digits.data(), end, number);
    if (parsed.ec != std::errc() || parsed.ptr != end) number = -1;
  }
  if (number < 0) return InvalidArgument("device '" + name + "': expected cpu or cuda:N");
  return std::optional<int8_t>(number);
}

}  // namespace promptcache

#include "cluster/transport/endpoint.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <vector>

namespace promptcache {
namespace {

constexpr size_t kMaxIpcPath = 100;  // sun_path has 108 bytes

bool IsNumberUpTo(std::string_view text, unsigned maximum) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value <= maximum;
}

bool IsLoopbackV4(std::string_view host) {
  std::vector<std::string_view> parts;
  for (size_t start = 0; start <= host.size();) {
    const size_t dot = std::min(host.find('.', start), host.size());
    parts.push_back(host.substr(start, dot - start));
    start = dot + 1;
  }
  return parts.size() == 4 && parts[0] == "127" &&
         std::all_of(parts.begin(), parts.end(),
                     [](std::string_view part) { return IsNumberUpTo(part, 255); });
}

bool IsLocalTcp(std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view port = address.substr(colon + 1);
  return IsLoopbackV4(address.substr(0, colon)) && (port == "*" || IsNumberUpTo(port, 65535));
}

}  // namespace

Status CheckLocalEndpoint(const std::string& endpoint) {
  const std::string_view text = endpoint;
  if (text.starts_with("tcp://") && IsLocalTcp(text.substr(6))) return {};
  if (text.starts_with("ipc://") && text.size() > 6 && text.size() - 6 <= kMaxIpcPath) return {};
  if (text.starts_with("inproc://") && text.size() > 9) return {};
  return InvalidArgument("endpoint '" + endpoint +
                         "' is not tcp://127.0.0.1:PORT, ipc://PATH (at most 100 bytes) or "
                         "inproc://NAME; addresses beyond this machine are refused because the "
                         "traffic is not encrypted");
}

}  // namespace promptcache

#include "cluster/transport/endpoint.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include <charconv>

namespace promptcache {
namespace {

Status Refuse(const std::string& endpoint, const std::string& why) {
  return InvalidArgument("endpoint '" + endpoint + "': " + why +
                         " (accepted: tcp://127.0.0.1:PORT, ipc://PATH, inproc://NAME)");
}

Status CheckTcp(const std::string& endpoint, std::string_view address, EndpointUse use) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return Refuse(endpoint, "the port is missing");
  const std::string host(address.substr(0, colon));
  const std::string_view port = address.substr(colon + 1);
  in_addr ip{};
  if (inet_pton(AF_INET, host.c_str(), &ip) != 1) {
    return Refuse(endpoint, "'" + host + "' is not an IPv4 address");
  }
  if ((ntohl(ip.s_addr) >> 24) != 127) {
    return Refuse(endpoint, "only loopback addresses are allowed, connections are not encrypted");
  }
  if (port == "*" && use == EndpointUse::kListen) return {};
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size() || number == 0 || number > 65'535) {
    return Refuse(endpoint, "'" + std::string(port) + "' is not a port from 1 to 65535");
  }
  return {};
}

Status CheckIpc(const std::string& endpoint, std::string_view path) {
  if (path.empty() || path == "*") return Refuse(endpoint, "the path is missing");
  constexpr size_t kMaxPath = sizeof(sockaddr_un::sun_path) - 1;
  if (path.size() > kMaxPath) {
    return Refuse(endpoint, "the path has " + std::to_string(path.size()) +
                                " bytes, the system's limit for a socket is " +
                                std::to_string(kMaxPath));
  }
  return {};
}

}  // namespace

Result<EndpointKind> CheckEndpoint(const std::string& endpoint, EndpointUse use) {
  const std::string_view text(endpoint);
  if (text.find('\0') != std::string_view::npos) {
    return InvalidArgument("an endpoint contains a zero byte");
  }
  if (text.starts_with("tcp://")) {
    PC_RETURN_IF_ERROR(CheckTcp(endpoint, text.substr(6), use));
    return EndpointKind::kTcp;
  }
  if (text.starts_with("ipc://")) {
    PC_RETURN_IF_ERROR(CheckIpc(endpoint, text.substr(6)));
    return EndpointKind::kIpc;
  }
  if (text.starts_with("inproc://")) {
    if (text.size() == 9 || text.size() > 255) {
      return Refuse(endpoint, "the name is missing or too long");
    }
    return EndpointKind::kInproc;
  }
  return Refuse(endpoint, "unknown kind of endpoint");
}

}  // namespace promptcache

#include "cluster/transport/endpoint.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace promptcache {
namespace {

constexpr size_t kMaxHostName = 253;

Status Refuse(const std::string& endpoint, const std::string& why) {
  return InvalidArgument("endpoint '" + endpoint + "': " + why +
                         " (accepted: tcp://127.0.0.1:PORT, ipc://PATH, inproc://NAME)");
}

bool IsHostName(const std::string& host) {
  const bool ok = std::all_of(host.begin(), host.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-';
  });
  // One that ends like an address is a mistyped address.
  return ok && !host.empty() && host.size() <= kMaxHostName && host.front() != '-' &&
         (host.back() < '0' || host.back() > '9' || host.find('.') == std::string::npos);
}

Status CheckHost(const std::string& endpoint, const std::string& host, EndpointUse use,
                 Reach reach) {
  in_addr ip{};
  if (inet_pton(AF_INET, host.c_str(), &ip) != 1) {
    const bool may_be_name = use == EndpointUse::kConnect && reach == Reach::kNetwork;
    if (may_be_name && IsHostName(host)) return {};
    return Refuse(endpoint, "'" + host + "' is not an IPv4 address" +
                                (may_be_name ? ", nor the name of a host" : ""));
  }
  if (reach == Reach::kLoopback && (ntohl(ip.s_addr) >> 24) != 127) {
    return Refuse(endpoint,
                  "only loopback addresses are allowed while links are plain; set "
                  "security.own_key, or security.allow_plaintext");
  }
  return {};
}

Status CheckPort(const std::string& endpoint, std::string_view port, EndpointUse use) {
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

// Which kind it is and, but for a tcp endpoint's host and port, whether it is well formed.
Result<EndpointKind> KindOf(const std::string& address) {
  const std::string_view text(address);
  if (text.starts_with("tcp://")) return EndpointKind::kTcp;
  if (text.starts_with("ipc://")) {
    PC_RETURN_IF_ERROR(CheckIpc(address, text.substr(6)));
    return EndpointKind::kIpc;
  }
  if (!text.starts_with("inproc://")) return Refuse(address, "unknown kind of endpoint");
  if (text.size() == 9 || text.size() > 255) {
    return Refuse(address, "the name is missing or too long");
  }
  return EndpointKind::kInproc;
}

}  // namespace

Result<Endpoint> ParseEndpoint(const std::string& endpoint, EndpointUse use, Reach reach) {
  if (endpoint.find('\0') != std::string::npos) {
    return InvalidArgument("an endpoint contains a zero byte");
  }
  const size_t mark = endpoint.find('#');
  Endpoint out{.address = endpoint.substr(0, mark)};
  PC_ASSIGN_OR_RETURN(out.kind, KindOf(out.address));
  if (out.kind == EndpointKind::kTcp) {
    const size_t colon = out.address.rfind(':');
    if (colon < 6) return Refuse(out.address, "the port is missing");
    PC_RETURN_IF_ERROR(CheckHost(out.address, out.address.substr(6, colon - 6), use, reach));
    PC_RETURN_IF_ERROR(CheckPort(out.address, out.address.substr(colon + 1), use));
  }
  if (mark == std::string::npos) return out;
  if (out.kind == EndpointKind::kInproc) return Refuse(out.address, "inproc links have no keys");
  const auto key = CurvePublicKeyFromZ85(std::string_view(endpoint).substr(mark + 1));
  if (!key.ok()) return key.status().WithContext("endpoint '" + out.address + "#...'");
  out.server_key = *key;
  return out;
}

}  // namespace promptcache

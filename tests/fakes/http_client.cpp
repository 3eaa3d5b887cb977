#include "tests/fakes/http_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <sstream>

namespace promptcache::testing {
namespace {

int Connect(const std::string& endpoint) {
  const size_t colon = endpoint.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(endpoint.substr(colon + 1))));
  ::inet_pton(AF_INET, endpoint.substr(0, colon).c_str(), &address.sin_addr);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{.tv_sec = 30};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  ::close(fd);
  return -1;
}

}  // namespace

HttpResult HttpSend(const std::string& endpoint, const std::string& bytes) {
  HttpResult result;
  const int fd = Connect(endpoint);
  if (fd < 0) return result;
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t n = ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) break;
    sent += static_cast<size_t>(n);
  }
  std::string answer;
  std::array<char, 4096> buffer{};
  for (ssize_t n = 0; (n = ::recv(fd, buffer.data(), buffer.size(), 0)) > 0;) {
    answer.append(buffer.data(), static_cast<size_t>(n));
  }
  ::close(fd);
  if (!answer.starts_with("HTTP/1.1 ")) return result;
  result.status = std::stoi(answer.substr(9, 3));
  const size_t blank = answer.find("\r\n\r\n");
  result.head = answer.substr(0, blank);
  if (blank != std::string::npos) result.body = answer.substr(blank + 4);
  return result;
}

HttpResult HttpGet(const std::string& endpoint, const std::string& path) {
  return HttpSend(endpoint, "GET " + path + " HTTP/1.1\r\nHost: test\r\n\r\n");
}

std::map<std::string, double> ValuesOf(const std::string& exposition) {
  std::map<std::string, double> values;
  std::istringstream lines(exposition);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("#")) continue;
    const size_t space = line.rfind(' ');
    char* end = nullptr;
    const double value = std::strtod(line.c_str() + space + 1, &end);
    const bool is_value =
        space != std::string::npos && end != line.c_str() + space + 1 && *end == '\0';
    EXPECT_TRUE(is_value) << "not a line of an exposition: " << line;
    EXPECT_TRUE(values.emplace(line.substr(0, space), value).second) << "twice: " << line;
  }
  return values;
}

}  // namespace promptcache::testing

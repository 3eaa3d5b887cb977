// A small HTTP server for programs that look at this process. It answers GET and HEAD with what a
// function says; nothing of the machine's files can be reached through it. Internal to
// common/metrics.
//
// Whoever connects is a stranger. One thread reads and writes, two ask the function, so nobody who
// is slow holds up others. A connection is for one request, of 8 KiB of header at most, sent within
// 2 s; bodies are not read; what is no request ends its connection. While there are 256
// connections, further ones wait in the system's queue.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/status.h"

namespace promptcache {

struct HttpReply {
  unsigned status = 200;
  std::string content_type;
  std::string body;
};

class HttpServer {
 public:
  // On the threads that ask; it may take its time.
  using Handler = std::function<HttpReply(std::string_view path)>;

  // `address` is an IP address; `port` 0 is any free one. kUnavailable when it cannot be listened
  // on.
  static Result<std::unique_ptr<HttpServer>> Start(const std::string& address, uint16_t port,
                                                   Handler handler);
  // Waits for the handlers that run, and sends what they say.
  virtual ~HttpServer() = default;
  virtual uint16_t port() const = 0;
};

}  // namespace promptcache

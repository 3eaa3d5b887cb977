// One HTTP request over a plain connection.
#pragma once

#include <map>
#include <string>

namespace promptcache::testing {

struct HttpResult {
  int status = 0;  // 0: no answer
  std::string head;
  std::string body;
};

// `endpoint` is 127.0.0.1:PORT. Reads until the other side closes, at most 30 s.
HttpResult HttpGet(const std::string& endpoint, const std::string& path);
// Sends these bytes in place of a request.
HttpResult HttpSend(const std::string& endpoint, const std::string& bytes);

// Values of an exposition by name and labels, as in `promptcache_x_total{tier="disk"}`. A line that
// is neither a comment nor a number with a name fails the test.
std::map<std::string, double> ValuesOf(const std::string& exposition);

}  // namespace promptcache::testing

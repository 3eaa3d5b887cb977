// A client without a coordinator: it links, and it is told so.
#include <cstdio>

#include "cluster/client/client.h"

int main() {
  promptcache::ClientOptions options;
  options.endpoints = {"ipc:///nonexistent/promptcache"};
  options.connect_timeout = std::chrono::milliseconds(50);
  const auto client = promptcache::Client::Connect(options);
  std::printf("%s\n", client.status().ToString().c_str());
  return client.status().code() == promptcache::Code::kUnavailable ? 0 : 1;
}

#include "tools/cli/commands.h"

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iostream>

#include "tools/cli/exit_codes.h"

namespace promptcache {
namespace {

constexpr size_t kMaxInputBytes = size_t{64} << 20;

Result<std::string> ReadStream(std::istream& in, const std::string& name) {
  std::string text;
  char block[64 << 10];
  while (in.read(block, sizeof(block)) || in.gcount() > 0) {
    text.append(block, static_cast<size_t>(in.gcount()));
    if (text.size() > kMaxInputBytes) return InvalidArgument(name + " is larger than 64 MiB");
  }
  if (in.bad()) return Unavailable("cannot read " + name);
  return text;
}

}  // namespace

int Fail(const Status& status) {
  fmt::print(stderr, "promptcache: error: {}\n", status.message());
  return ExitCodeFor(status);
}

Result<Settings> SettingsOf(const CommandContext& context) {
  return LoadSettings(context.config_file);
}

Result<std::unique_ptr<Client>> ConnectClient(const CommandContext& context) {
  PC_ASSIGN_OR_RETURN(const Settings settings, SettingsOf(context));
  std::vector<std::string> endpoints = context.endpoints;
  if (endpoints.empty()) endpoints.push_back(settings.coordinator.client_endpoint);
  return Client::Connect({.endpoints = std::move(endpoints),
                          .key_file = settings.security.own_key,
                          .allow_plaintext = settings.security.allow_plaintext,
                          .name = "promptcache-cli"});
}

Result<std::string> ReadInput(const std::string& path) {
  if (path == "-") return ReadStream(std::cin, "standard input");
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) return NotFound("cannot read " + path);
  return ReadStream(file, path);
}

}  // namespace promptcache

#include "cluster/transport/link_security.h"

#include <algorithm>
#include <filesystem>

#include "cluster/wire/roles.h"

namespace promptcache {
namespace {

// A directory has a key for each process.
std::string KeyFileOf(const SecuritySettings& settings, const std::string& process) {
  std::error_code ignored;
  const std::filesystem::path path(settings.own_key);
  if (!std::filesystem::is_directory(path, ignored)) return settings.own_key;
  return (path / (process + ".key")).string();
}

Status CheckRole(const KeyOwner& owner, std::initializer_list<PeerRole> roles) {
  if (std::find(roles.begin(), roles.end(), owner.role) != roles.end()) return {};
  std::string wanted;
  for (const PeerRole role : roles) {
    wanted += (wanted.empty() ? "" : " or ") + std::string(RoleName(role));
  }
  return InvalidArgument("the key is one of the role " + std::string(RoleName(owner.role)) +
                         ", and this process needs " + wanted +
                         "; make one with `promptcache keygen --role`");
}

}  // namespace

Result<LinkSecurity> LoadLinkSecurity(const SecuritySettings& settings, const std::string& process,
                                      std::initializer_list<PeerRole> roles) {
  LinkSecurity security{.allow_plaintext = settings.allow_plaintext};
  if (settings.own_key.empty()) {
    if (settings.keys.empty()) return security;
    return InvalidArgument(
        "security.keys has no effect without security.own_key: plain links know no keys");
  }
  const std::string file = KeyFileOf(settings, process);
  PC_ASSIGN_OR_RETURN(security.own, ReadLinkKey(file));
  const KeyOwner& owner = security.own->owner;
  PC_RETURN_IF_ERROR(CheckRole(owner, roles).WithContext(file));
  if (owner.role == PeerRole::kWorker && owner.name != process) {
    return InvalidArgument(file + ": the key is of the worker '" + owner.name + "', and this is '" +
                           process + "'; set worker.name");
  }
  // The file of those that listen need not be on the machines of those that connect.
  const bool listens = owner.role == PeerRole::kCoordinator || owner.role == PeerRole::kStore;
  if (listens) security.keys = settings.keys;
  return security;
}

Result<Endpoint> ParseEndpointFor(const LinkSecurity& security, const std::string& endpoint,
                                  EndpointUse use) {
  PC_ASSIGN_OR_RETURN(Endpoint parsed, ParseEndpoint(endpoint, use, security.reach()));
  if (parsed.kind == EndpointKind::kInproc) return parsed;
  const std::string where = "endpoint '" + parsed.address + "': ";
  if (!security.own && parsed.server_key) {
    return InvalidArgument(where +
                           "its links have keys, and this process has none; set "
                           "security.own_key");
  }
  if (!security.own) return parsed;
  if (use == EndpointUse::kConnect && !parsed.server_key) {
    return InvalidArgument(where +
                           "the public key of who listens is missing; write it behind, as " +
                           parsed.address + "#KEY");
  }
  const CurvePublicKey& own = security.own->secret.public_key();
  if (use == EndpointUse::kListen && parsed.server_key.value_or(own) != own) {
    return InvalidArgument(where + "the key behind it is not the one of security.own_key, " +
                           ToZ85(own));
  }
  return parsed;
}

}  // namespace promptcache

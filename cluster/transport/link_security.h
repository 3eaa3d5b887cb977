// How the links of a process are protected.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>

#include "cluster/transport/endpoint.h"
#include "cluster/transport/link_key.h"
#include "common/config.h"
#include "common/status.h"

namespace promptcache {

struct LinkSecurity {
  // With a key every tcp and ipc link is encrypted and both ends are authenticated; without one all
  // are plain. Links over inproc never leave the process and always are.
  std::optional<LinkKey> own;
  std::string keys;              // allowlist file; who listens with a key needs one
  bool allow_plaintext = false;  // without a key: also beyond loopback

  Reach reach() const { return own || allow_plaintext ? Reach::kNetwork : Reach::kLoopback; }
};

// What the settings say for the process of this name: it is the key's file in a directory of keys
// and, for workers, the key's own name. Only coordinators and cachestores need the allowlist.
// kInvalidArgument for a list without a key, for a key of another role than `roles` or of another
// worker; else as ReadLinkKey.
Result<LinkSecurity> LoadLinkSecurity(const SecuritySettings& settings, const std::string& process,
                                      std::initializer_list<PeerRole> roles);

// The endpoint, for links that are protected like this. kInvalidArgument as ParseEndpoint, for a
// key that is missing where there must be one, and for one where there is no use for it. Pure.
Result<Endpoint> ParseEndpointFor(const LinkSecurity& security, const std::string& endpoint,
                                  EndpointUse use);

}  // namespace promptcache

// The files that `promptcache keygen` writes: a first line, then one `word value` a line, in any
// order.
//
//   promptcache-link-key 1           promptcache-public-link-key 1
//   name gpu-1                       name gpu-1
//   role worker                      role worker
//   tenant acme                      tenant acme          (left out without a tenant)
//   public-key 40 characters         public-key 40 characters
//   secret-key 40 characters
#pragma once

#include <string>

#include "cluster/transport/key_owner.h"
#include "common/curve_key.h"
#include "common/status.h"

namespace promptcache {

// Who a process is.
struct LinkKey {
  KeyOwner owner;
  CurveSecretKey secret;
};

// Whom a process knows.
struct PublicLinkKey {
  KeyOwner owner;
  CurvePublicKey key;

  bool operator==(const PublicLinkKey&) const = default;
};

// Writes a new key to `path`, which only its owner may read, and its public part to `path`.pub.
// kAlreadyExists when one of the two is there: keys are never replaced.
Result<PublicLinkKey> WriteNewLinkKey(const std::string& path, const KeyOwner& owner);

// kNotFound when there is no such file; kFailedPrecondition, saying what to do, when others than
// this process's user may read it; kInvalidArgument with file and line when it holds no such key.
// No message has a byte of the secret.
Result<LinkKey> ReadLinkKey(const std::string& path);
// Of the .pub file. Errors as above, but for who may read it.
Result<PublicLinkKey> ReadPublicLinkKey(const std::string& path);

}  // namespace promptcache

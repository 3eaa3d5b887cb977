// Changing the file of the keys that listeners let in.
#pragma once

#include <string>

#include "cluster/transport/allowlist.h"
#include "common/status.h"

namespace promptcache {

// Each reads the file, changes it and puts the new one in its place; only one process does so at a
// time. Errors as Allowlist's, naming the file, and kUnavailable when it cannot be written.

// The file is made when there is none.
Status AllowKey(const std::string& file, const PublicLinkKey& key);
// By the name of its owner, or itself in Z85.
Status RevokeKey(const std::string& file, const std::string& name_or_key);

}  // namespace promptcache

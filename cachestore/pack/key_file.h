// Keys for packs, as files of one line.
#pragma once

#include <string>

#include "common/signature.h"

namespace promptcache {

// Writes a new key to `path`, which only its owner may read, and the public key to `path`.pub.
// kAlreadyExists when one of the two is there: keys are never replaced.
Result<PublicKey> WriteNewSigningKey(const std::string& path);

// kNotFound when there is no such file, kInvalidArgument when it does not hold one key of its kind.
Result<SigningKey> ReadSigningKey(const std::string& path);
// `key`: 64 hex digits, or the path of a .pub file.
Result<PublicKey> ReadPublicKey(const std::string& key);

}  // namespace promptcache

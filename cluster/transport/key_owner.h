// Whom a key of a link stands for.
#pragma once

#include <atomic>
#include <string>
#include <utility>

#include "cluster/wire/messages.h"
#include "common/status.h"

namespace promptcache {

struct KeyOwner {
  std::string name;  // of a worker: worker.name; else whatever tells people who it is
  PeerRole role = PeerRole::kClient;
  std::string tenant;  // empty: none of its own

  bool operator==(const KeyOwner&) const = default;
};

// kInvalidArgument unless name and tenant have at most 64 letters, digits, '.', '_' and '-', the
// name at least one, and neither begins with '.' or '-'.
Status CheckKeyOwner(const KeyOwner& owner);

// A key that a listener lets in, shared by everything that came through links with it. Thread safe.
class PeerKey {
 public:
  explicit PeerKey(KeyOwner owner) : owner_(std::move(owner)) {}

  const KeyOwner& owner() const { return owner_; }
  // It is not on the allowlist any more, or for somebody else: links with it end.
  bool revoked() const { return revoked_; }
  void Revoke() { revoked_ = true; }

 private:
  const KeyOwner owner_;
  std::atomic<bool> revoked_{false};
};

}  // namespace promptcache

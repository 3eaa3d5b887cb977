#include "cluster/transport/keyring.h"

#include <sys/stat.h>

#include <utility>

#include "cluster/transport/allowlist.h"

namespace promptcache {

Result<Keyring> Keyring::Open(const std::string& path) {
  Keyring ring(path);
  PC_RETURN_IF_ERROR(ring.Reload());
  return ring;
}

Keyring::Stamp Keyring::Look() const {
  struct stat file {};
  if (::stat(path_.c_str(), &file) != 0) return {};
  return {.device = file.st_dev,
          .inode = file.st_ino,
          .bytes = file.st_size,
          .modified_ns = file.st_mtim.tv_sec * 1'000'000'000 + file.st_mtim.tv_nsec};
}

bool Keyring::IsStale() {
  const Stamp now = Look();
  return std::exchange(noticed_, now) == now && now != seen_;
}

Status Keyring::Reload() {
  seen_ = Look();  // before reading: what is written meanwhile is read the next time
  PC_ASSIGN_OR_RETURN(const Allowlist list, Allowlist::Load(path_));
  auto before = std::exchange(keys_, {});
  for (const PublicLinkKey& entry : list.keys()) {
    const std::string text = ToZ85(entry.key);
    const auto same = before.find(text);
    if (same != before.end() && same->second->owner() == entry.owner) {
      keys_.insert(before.extract(same));
    } else {
      keys_.emplace(text, std::make_shared<PeerKey>(entry.owner));
    }
  }
  for (const auto& [text, gone] : before) gone->Revoke();
  return {};
}

std::shared_ptr<const PeerKey> Keyring::Find(std::string_view key) const {
  const auto found = keys_.find(key);
  return found == keys_.end() ? nullptr : found->second;
}

}  // namespace promptcache

// The allowlist of a running process.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "cluster/transport/key_owner.h"
#include "cluster/transport/link_key.h"
#include "common/status.h"

namespace promptcache {

// Not thread safe: belongs to the reactor thread. What Find gives may go anywhere.
class Keyring {
 public:
  // Errors as Allowlist::Load.
  static Result<Keyring> Open(const std::string& path);

  // Reads the file anew. Keys that have gone or changed owner are revoked, those that stayed are
  // the same objects as before. After an error (as Allowlist::Load) everything is as it was.
  Status Reload();
  // The file is another one than that read last, or tried to, and was already when this was asked
  // before: what is being written just now, by an editor that truncates first, is not a list yet.
  bool IsStale();

  // By a public key in Z85; null when it is not on the list.
  std::shared_ptr<const PeerKey> Find(std::string_view key) const;
  size_t size() const { return keys_.size(); }

 private:
  // What of a file changes when it is written or replaced.
  struct Stamp {
    uint64_t device = 0;
    uint64_t inode = 0;
    int64_t bytes = 0;
    int64_t modified_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  explicit Keyring(std::string path) : path_(std::move(path)) {}
  Stamp Look() const;  // all zero: there is no file

  std::string path_;
  Stamp seen_;     // when it was read
  Stamp noticed_;  // by IsStale
  std::map<std::string, std::shared_ptr<PeerKey>, std::less<>> keys_;
};

}  // namespace promptcache

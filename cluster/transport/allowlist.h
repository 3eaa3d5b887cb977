// The file of the keys that listeners let in, as TOML:
//
//   [[key]]
//   name = "gpu-1"
//   role = "worker"          # client, worker, store, coordinator or admin
//   tenant = "acme"          # may be left out
//   public_key = "..."       # 40 characters of Z85
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/transport/link_key.h"
#include "common/status.h"

namespace promptcache {

// Not thread safe.
class Allowlist {
 public:
  // At most 65,536 keys. kInvalidArgument naming file and line for what is not such a file: also
  // for a key that is there twice, and for keys of one name that differ in role or tenant.
  static Result<Allowlist> Parse(std::string_view toml, std::string_view file);
  // kNotFound when the file cannot be read; at most 16 MiB are.
  static Result<Allowlist> Load(const std::string& path);

  const std::vector<PublicLinkKey>& keys() const { return keys_; }
  // A name may have several keys, so that one can be replaced by another without a gap.
  // kAlreadyExists for a key that is there, kInvalidArgument for a name of another role or tenant.
  Status Add(const PublicLinkKey& key);
  // All keys of the name, or the one public key in Z85. kNotFound when there is none.
  Status Remove(std::string_view name_or_key);
  // As a file that Parse accepts, in the order of Add.
  std::string Render() const;

 private:
  std::vector<PublicLinkKey> keys_;
  std::set<CurvePublicKey> known_;          // all of keys_
  std::map<std::string, KeyOwner> owners_;  // of keys_, by name
};

}  // namespace promptcache

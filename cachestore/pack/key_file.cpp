#include "cachestore/pack/key_file.h"

#include <filesystem>
#include <fstream>
#include <string_view>

#include "common/process.h"

namespace promptcache {
namespace {

constexpr std::string_view kSecret = "promptcache-signing-key ";
constexpr std::string_view kPublic = "promptcache-public-key ";

Status WriteKey(const std::string& path, std::string_view kind, const Digest256& key) {
  return WriteFileAtomically(path, std::string(kind) + key.ToHex() + "\n");
}

Result<Digest256> ReadKey(const std::string& path, std::string_view kind) {
  std::ifstream in(path);
  if (!in) return NotFound("cannot open the key file " + path);
  std::string line(256, '\0');
  in.read(line.data(), static_cast<std::streamsize>(line.size()));
  line.resize(static_cast<size_t>(in.gcount()));
  if (line.ends_with('\n')) line.pop_back();
  if (line.starts_with(kind)) {
    const Result<Digest256> key = Digest256::FromHex(line.substr(kind.size()));
    if (key.ok()) return key;
  }
  return InvalidArgument(path + " does not hold a line '" + std::string(kind) +
                         "' with 64 hex digits behind it");
}

}  // namespace

Result<PublicKey> WriteNewSigningKey(const std::string& path) {
  const std::string public_path = path + ".pub";
  for (const std::string& file : {path, public_path}) {
    std::error_code ignored;
    if (std::filesystem::exists(file, ignored)) return AlreadyExists("there is a file " + file);
  }
  const SigningKey key = SigningKey::Generate();
  PC_RETURN_IF_ERROR(WriteKey(path, kSecret, key.seed()));
  PC_RETURN_IF_ERROR(WriteKey(public_path, kPublic, key.public_key()));
  using std::filesystem::perms;
  std::error_code failed;
  std::filesystem::permissions(
      public_path, perms::owner_read | perms::owner_write | perms::group_read | perms::others_read,
      failed);
  if (failed) return Unavailable(public_path + ": " + failed.message());
  return key.public_key();
}

Result<SigningKey> ReadSigningKey(const std::string& path) {
  PC_ASSIGN_OR_RETURN(const Digest256 seed, ReadKey(path, kSecret));
  return SigningKey(seed);
}

Result<PublicKey> ReadPublicKey(const std::string& key) {
  const Result<PublicKey> parsed = Digest256::FromHex(key);
  return parsed.ok() ? parsed : ReadKey(key, kPublic);
}

}  // namespace promptcache

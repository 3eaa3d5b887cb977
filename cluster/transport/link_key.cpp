#include "cluster/transport/link_key.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>

#include "cluster/wire/roles.h"
#include "common/process.h"

namespace promptcache {
namespace {

constexpr std::string_view kSecretTitle = "promptcache-link-key 1";
constexpr std::string_view kPublicTitle = "promptcache-public-link-key 1";
constexpr size_t kMaxFileBytes = 1'024;

enum Word : size_t { kName, kRole, kTenant, kPublicKey, kSecretKey, kWords };
constexpr std::array<std::string_view, kWords> kWordNames = {"name", "role", "tenant", "public-key",
                                                             "secret-key"};
// What the file says for each word; views into its text.
using Values = std::array<std::optional<std::string_view>, kWords>;

// The contents of a key file. Wiped when it goes.
struct KeyText {
  explicit KeyText(std::string of_file) : path(std::move(of_file)), text(kMaxFileBytes + 1, '\0') {}
  ~KeyText() { Wipe(text); }
  KeyText(const KeyText&) = delete;
  KeyText& operator=(const KeyText&) = delete;

  Status Wrong(size_t line, const std::string& what) const {
    return InvalidArgument(path + ":" + std::to_string(line) + ": " + what);
  }

  const std::string path;
  std::string text;
};

std::string Octal(mode_t mode) {
  std::string digits(4, '0');
  for (size_t i = digits.size(); i-- > 0; mode >>= 3) digits[i] += static_cast<char>(mode & 7);
  return digits;
}

Status CheckPrivate(const std::string& path, const struct stat& file) {
  if ((file.st_mode & 077) != 0) {
    return FailedPrecondition("the key file " + path + " is open to others (mode " +
                              Octal(file.st_mode & 0777) + "); make it private: chmod 600 " + path);
  }
  if (file.st_uid != ::geteuid() && file.st_uid != 0) {
    return FailedPrecondition("the key file " + path + " belongs to another user (" +
                              std::to_string(file.st_uid) +
                              "); chown it to the one that runs this");
  }
  return {};
}

Status ReadText(KeyText& key, bool is_secret) {
  const int file = ::open(key.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) {
    return NotFound("cannot open the key file " + key.path + ": " + std::strerror(errno) +
                    "; make one with `promptcache keygen`");
  }
  struct stat about {};
  Status status = ::fstat(file, &about) == 0 && S_ISREG(about.st_mode)
                      ? Status()
                      : InvalidArgument("the key file " + key.path + " is not a regular file");
  if (status.ok() && is_secret) status = CheckPrivate(key.path, about);
  if (status.ok()) {
    const ssize_t size = ::read(file, key.text.data(), key.text.size());
    if (size < 0) status = Unavailable("cannot read " + key.path + ": " + std::strerror(errno));
    key.text.resize(size < 0 ? 0 : static_cast<size_t>(size));
  }
  ::close(file);
  if (status.ok() && key.text.size() > kMaxFileBytes) {
    return InvalidArgument(key.path + ": a key file has at most " + std::to_string(kMaxFileBytes) +
                           " bytes");
  }
  return status;
}

std::string_view TakeLine(std::string_view& rest) {
  const size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

Result<Values> ParseLines(const KeyText& key, std::string_view title) {
  std::string_view rest = key.text;
  if (TakeLine(rest) != title) {
    return key.Wrong(1, "this is not a file that begins with '" + std::string(title) + "'");
  }
  Values values;
  for (size_t line = 2; !rest.empty(); ++line) {
    const std::string_view text = TakeLine(rest);
    const size_t space = text.find(' ');
    size_t word = 0;
    while (word < kWords && kWordNames[word] != text.substr(0, space)) ++word;
    if (word == kWords || space == std::string_view::npos) {
      return key.Wrong(line, "expected name, role, tenant, public-key or secret-key and a value");
    }
    if (values[word]) return key.Wrong(line, std::string(kWordNames[word]) + " is there twice");
    values[word] = text.substr(space + 1);
  }
  return values;
}

Status Need(const KeyText& key, const Values& values, std::initializer_list<Word> words) {
  for (const Word word : words) {
    if (!values[word]) {
      return InvalidArgument(key.path + ": the line '" + std::string(kWordNames[word]) +
                             " ...' is missing");
    }
  }
  return {};
}

Result<PublicLinkKey> PublicPart(const KeyText& key, const Values& values) {
  PC_RETURN_IF_ERROR(Need(key, values, {kName, kRole, kPublicKey}));
  PublicLinkKey out;
  out.owner.name = *values[kName];
  out.owner.tenant = values[kTenant].value_or("");
  const auto role = ParseRole(*values[kRole]);
  if (!role.ok()) return role.status().WithContext(key.path);
  out.owner.role = *role;
  PC_RETURN_IF_ERROR(CheckKeyOwner(out.owner).WithContext(key.path));
  const auto public_key = CurvePublicKeyFromZ85(*values[kPublicKey]);
  if (!public_key.ok()) return public_key.status().WithContext(key.path);
  out.key = *public_key;
  return out;
}

std::string RenderPublicPart(const PublicLinkKey& key) {
  std::string text = "name " + key.owner.name + "\nrole " + std::string(RoleName(key.owner.role));
  if (!key.owner.tenant.empty()) text += "\ntenant " + key.owner.tenant;
  return text + "\npublic-key " + ToZ85(key.key) + "\n";
}

Status WriteSecret(const std::string& path, const PublicLinkKey& key,
                   const CurveSecretKey& secret) {
  std::string text;
  text.reserve(kMaxFileBytes);  // so that no part stays behind in a smaller block
  std::string digits = secret.ToZ85();
  text.append(kSecretTitle).append("\n").append(RenderPublicPart(key));
  text.append("secret-key ").append(digits).append("\n");
  const Status written = WriteNewFile(path, text);
  Wipe(digits);
  Wipe(text);
  return written;
}

bool IsPlain(const std::string& text) {
  const bool ok = std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
  return ok && text.size() <= 64 && !text.starts_with('.') && !text.starts_with('-');
}

}  // namespace

Status CheckKeyOwner(const KeyOwner& owner) {
  constexpr char kAllowed[] =
      " is not 1 to 64 letters, digits, '.', '_' or '-' that begin with neither '.' nor '-'";
  if (owner.name.empty() || !IsPlain(owner.name)) {
    return InvalidArgument("the name of the key" + std::string(kAllowed));
  }
  if (!IsPlain(owner.tenant)) return InvalidArgument("the tenant" + std::string(kAllowed));
  return {};
}

Result<PublicLinkKey> WriteNewLinkKey(const std::string& path, const KeyOwner& owner) {
  PC_RETURN_IF_ERROR(CheckKeyOwner(owner));
  const CurveSecretKey secret = CurveSecretKey::Generate();
  const PublicLinkKey key{.owner = owner, .key = secret.public_key()};
  // The public part goes first: a secret without it would have to be thrown away.
  PC_RETURN_IF_ERROR(
      WriteNewFile(path + ".pub", std::string(kPublicTitle) + "\n" + RenderPublicPart(key)));
  const Status written = WriteSecret(path, key, secret);
  if (written.ok()) return key;
  std::error_code ignored;
  std::filesystem::remove(path + ".pub", ignored);
  return written;
}

Result<LinkKey> ReadLinkKey(const std::string& path) {
  KeyText key(path);
  PC_RETURN_IF_ERROR(ReadText(key, /*is_secret=*/true));
  PC_ASSIGN_OR_RETURN(const Values values, ParseLines(key, kSecretTitle));
  PC_ASSIGN_OR_RETURN(const PublicLinkKey known, PublicPart(key, values));
  PC_RETURN_IF_ERROR(Need(key, values, {kSecretKey}));
  const auto secret = CurveSecretKey::FromZ85(*values[kSecretKey]);
  if (!secret.ok()) return secret.status().WithContext(path);
  if (secret->public_key() != known.key) {
    return InvalidArgument(path + ": public-key and secret-key are not a pair");
  }
  return LinkKey{.owner = known.owner, .secret = *secret};
}

Result<PublicLinkKey> ReadPublicLinkKey(const std::string& path) {
  KeyText key(path);
  PC_RETURN_IF_ERROR(ReadText(key, /*is_secret=*/false));
  PC_ASSIGN_OR_RETURN(const Values values, ParseLines(key, kPublicTitle));
  if (values[kSecretKey]) return InvalidArgument(path + ": a public key file holds no secret-key");
  return PublicPart(key, values);
}

}  // namespace promptcache

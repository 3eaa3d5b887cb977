#include "cluster/transport/allowlist.h"

#include <toml++/toml.h>

#include <fstream>
#include <utility>

#include "cluster/wire/roles.h"

namespace promptcache {
namespace {

constexpr size_t kMaxKeys = 65'536;
constexpr size_t kMaxFileBytes = size_t{16} << 20;

std::string Where(std::string_view file, const toml::source_region& source) {
  return std::string(file) + ":" + std::to_string(source.begin.line);
}

// The text of a field; empty when it is left out and may be.
Result<std::string> Text(const toml::table& entry, std::string_view field) {
  const toml::node* node = entry.get(field);
  if (node == nullptr && field == "tenant") return std::string();
  if (node == nullptr) return InvalidArgument(std::string(field) + " is missing");
  if (!node->is_string()) return InvalidArgument(std::string(field) + " is not a string");
  return node->as_string()->get();
}

Result<PublicLinkKey> ParseKey(const toml::table& entry) {
  for (const auto& [name, value] : entry) {
    const std::string_view field = name.str();
    if (field != "name" && field != "role" && field != "tenant" && field != "public_key") {
      return InvalidArgument("a key has name, role, tenant and public_key, and no '" +
                             std::string(field.substr(0, 64)) + "'");
    }
  }
  PublicLinkKey key;
  PC_ASSIGN_OR_RETURN(key.owner.name, Text(entry, "name"));
  PC_ASSIGN_OR_RETURN(key.owner.tenant, Text(entry, "tenant"));
  PC_ASSIGN_OR_RETURN(const std::string role, Text(entry, "role"));
  PC_ASSIGN_OR_RETURN(key.owner.role, ParseRole(role));
  PC_RETURN_IF_ERROR(CheckKeyOwner(key.owner));
  PC_ASSIGN_OR_RETURN(const std::string public_key, Text(entry, "public_key"));
  PC_ASSIGN_OR_RETURN(key.key, CurvePublicKeyFromZ85(public_key));
  return key;
}

Result<Allowlist> ParseRoot(const toml::table& root, std::string_view file) {
  Allowlist list;
  for (const auto& [name, node] : root) {
    const toml::array* entries = node.as_array();
    if (name.str() != "key" || entries == nullptr) {
      return InvalidArgument(Where(file, node.source()) + ": expected only [[key]] tables");
    }
    for (const toml::node& entry : *entries) {
      const std::string where = Where(file, entry.source());
      if (!entry.is_table()) return InvalidArgument(where + ": expected a [[key]] table");
      const auto key = ParseKey(*entry.as_table());
      if (!key.ok()) return key.status().WithContext(where);
      if (const Status added = list.Add(*key); !added.ok()) {
        return InvalidArgument(where + ": " + added.message());
      }
    }
  }
  return list;
}

}  // namespace

Result<Allowlist> Allowlist::Parse(std::string_view toml, std::string_view file) {
  try {
    return ParseRoot(toml::parse(toml, file), file);
  } catch (const toml::parse_error& error) {
    return InvalidArgument(Where(file, error.source()) +
                           ": not valid TOML: " + std::string(error.description()));
  } catch (const std::exception& error) {
    return InvalidArgument(std::string(file) + ": " + error.what());
  }
}

Result<Allowlist> Allowlist::Load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || !file.is_open()) {
    return NotFound("cannot read the list of keys " + path +
                    "; make one with `promptcache keys allow`");
  }
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxFileBytes) {
    return InvalidArgument(path + ": a list of keys has at most 16 MiB");
  }
  return Parse(text, path);
}

Status Allowlist::Add(const PublicLinkKey& key) {
  if (keys_.size() >= kMaxKeys) {
    return ResourceExhausted("a list has at most " + std::to_string(kMaxKeys) + " keys");
  }
  if (known_.contains(key.key)) {
    return AlreadyExists("the key " + ToZ85(key.key) + " is on the list already");
  }
  const auto [same_name, is_new] = owners_.emplace(key.owner.name, key.owner);
  if (!is_new && same_name->second != key.owner) {
    return InvalidArgument("there is a key of the name " + key.owner.name +
                           " with another role or tenant");
  }
  known_.insert(key.key);
  keys_.push_back(key);
  return {};
}

Status Allowlist::Remove(std::string_view name_or_key) {
  const auto before = std::exchange(keys_, {});
  known_.clear();
  owners_.clear();
  for (const PublicLinkKey& key : before) {
    if (key.owner.name == name_or_key || ToZ85(key.key) == name_or_key) continue;
    PC_RETURN_IF_ERROR(Add(key));  // as it was before
  }
  return keys_.size() < before.size() ? Status()
                                      : NotFound("no key on the list is of that name or is it");
}

std::string Allowlist::Render() const {
  std::string text = "# Whom listeners let in; written by `promptcache keys`.\n";
  for (const auto& [owner, key] : keys_) {
    text += "\n[[key]]\nname = \"" + owner.name + "\"\nrole = \"" +
            std::string(RoleName(owner.role)) + "\"\n";
    if (!owner.tenant.empty()) text += "tenant = \"" + owner.tenant + "\"\n";
    text += "public_key = \"" + ToZ85(key) + "\"\n";
  }
  return text;
}

}  // namespace promptcache

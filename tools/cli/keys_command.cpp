#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cluster/transport/allowlist.h"
#include "cluster/wire/roles.h"
#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/key_list.h"
#include "tools/cli/schema_commands.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

struct KeygenFlags {
  KeyOwner owner;
  std::string role;
  std::string out;
  bool json = false;
};

struct KeysFlags {
  std::string file;  // empty: security.keys
  std::string public_key_file;
  std::string name_or_key;
  bool json = false;
};

nlohmann::json KeyToJson(const PublicLinkKey& key) {
  return {{"name", key.owner.name},
          {"role", RoleName(key.owner.role)},
          {"tenant", key.owner.tenant},
          {"public_key", ToZ85(key.key)}};
}

Status RunKeygen(KeygenFlags flags) {
  PC_ASSIGN_OR_RETURN(flags.owner.role, ParseRole(flags.role));
  PC_ASSIGN_OR_RETURN(const PublicLinkKey key, WriteNewLinkKey(flags.out, flags.owner));
  if (flags.json) {
    nlohmann::json json = KeyToJson(key);
    json["file"] = flags.out;
    PrintJson(json);
  } else {
    fmt::print("{} is to be kept secret; {}.pub is for `promptcache keys allow`: {}\n", flags.out,
               flags.out, ToZ85(key.key));
  }
  return {};
}

Result<std::string> FileOf(const CommandContext& context, const KeysFlags& flags) {
  if (!flags.file.empty()) return flags.file;
  PC_ASSIGN_OR_RETURN(const Settings settings, SettingsOf(context));
  if (!settings.security.keys.empty()) return settings.security.keys;
  return InvalidArgument("no list of keys: give --keys FILE, or set security.keys");
}

Status RunAllow(const CommandContext& context, const KeysFlags& flags) {
  PC_ASSIGN_OR_RETURN(const std::string file, FileOf(context, flags));
  PC_ASSIGN_OR_RETURN(const PublicLinkKey key, ReadPublicLinkKey(flags.public_key_file));
  PC_RETURN_IF_ERROR(AllowKey(file, key));
  if (flags.json) {
    PrintJson(KeyToJson(key));
  } else {
    fmt::print("allowed the {} {}\n", RoleName(key.owner.role), key.owner.name);
  }
  return {};
}

Status RunRevoke(const CommandContext& context, const KeysFlags& flags) {
  PC_ASSIGN_OR_RETURN(const std::string file, FileOf(context, flags));
  PC_RETURN_IF_ERROR(RevokeKey(file, flags.name_or_key));
  if (flags.json) {
    PrintJson(nlohmann::json{{"revoked", flags.name_or_key}});
  } else {
    fmt::print("revoked {}\n", flags.name_or_key);
  }
  return {};
}

Status RunList(const CommandContext& context, const KeysFlags& flags) {
  PC_ASSIGN_OR_RETURN(const std::string file, FileOf(context, flags));
  PC_ASSIGN_OR_RETURN(const Allowlist list, Allowlist::Load(file));
  Table table({{"name"}, {"role"}, {"tenant"}, {"public key"}});
  nlohmann::json json = nlohmann::json::array();
  for (const PublicLinkKey& key : list.keys()) {
    const std::string role(RoleName(key.owner.role));
    table.AddRow({key.owner.name, role, key.owner.tenant, ToZ85(key.key)});
    json.push_back(KeyToJson(key));
  }
  if (flags.json) {
    PrintJson(json);
  } else {
    fmt::print("{}", table.Render());
  }
  return {};
}

int ExitWith(const Status& status) { return status.ok() ? kExitOk : Fail(status); }

}  // namespace

void AddKeygenCommand(CLI::App& app, CommandContext& context) {
  auto flags = std::make_shared<KeygenFlags>();
  CLI::App* command = app.add_subcommand("keygen", "Make a key for the links of a process");
  command->add_option("--name", flags->owner.name, "Whose it is; of a worker: worker.name")
      ->required();
  command->add_option("--role", flags->role, "client, worker, store, coordinator or admin")
      ->required();
  command->add_option("--tenant", flags->owner.tenant, "Whose requests its owner makes");
  command->add_option("--out", flags->out, "The secret key; OUT.pub is the public one")->required();
  command->add_flag("--json", flags->json, "Print JSON");
  command->footer(
      "A file that is there is never replaced.\n"
      "Examples:\n"
      "  promptcache keygen --name gpu-1 --role worker --out gpu-1.key     (and gpu-1.key.pub)\n"
      "  promptcache keygen --name alice --role client --tenant acme --out alice.key");
  command->callback(
      [&context, flags] { context.run = [flags] { return ExitWith(RunKeygen(*flags)); }; });
}

void AddKeysCommand(CLI::App& app, CommandContext& context) {
  auto flags = std::make_shared<KeysFlags>();
  CLI::App* command =
      app.add_subcommand("keys", "Say whose keys coordinator and cachestore let in");
  command->require_subcommand(1);
  command->footer(
      "Running processes read the list again by themselves; links of revoked keys end.\n"
      "Examples:\n"
      "  promptcache keys allow gpu-1.key.pub --keys keys.toml\n"
      "  promptcache keys revoke alice --keys keys.toml\n"
      "  promptcache keys ls --keys keys.toml --json");
  const auto add = [&](const char* name, const char* help, auto run) {
    CLI::App* sub = command->add_subcommand(name, help);
    sub->add_option("--keys", flags->file, "The list (default: security.keys)");
    sub->add_flag("--json", flags->json, "Print JSON");
    sub->callback([&context, flags, run] {
      context.run = [&context, flags, run] { return ExitWith(run(context, *flags)); };
    });
    return sub;
  };
  add("allow", "Put a key on the list", RunAllow)
      ->add_option("file", flags->public_key_file, "What `promptcache keygen` wrote to OUT.pub")
      ->required();
  add("revoke", "Take keys off the list", RunRevoke)
      ->add_option("name", flags->name_or_key, "Whose: all keys of that name, or one public key")
      ->required();
  add("ls", "Show the list", RunList);
}

}  // namespace promptcache

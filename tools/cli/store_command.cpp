#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/render.h"
#include "tools/cli/store_access.h"

namespace promptcache {
namespace {

struct StoreFlags {
  std::string endpoint;
  std::string directory;
  std::string key;
  bool json = false;
};

int RunList(const CommandContext& context, const StoreFlags& flags) {
  auto access = OpenStoreAccess(context, flags.endpoint, flags.directory);
  if (!access.ok()) return Fail(access.status());
  auto blobs = ListAll((*access)->blobs());
  if (!blobs.ok()) return Fail(blobs.status());
  auto stats = (*access)->blobs().Stats();
  if (!stats.ok()) return Fail(stats.status());
  if (flags.json) {
    fmt::print("{}\n", BlobsToJson(*blobs, *stats).dump(2));
  } else {
    fmt::print("{}", RenderBlobs(*blobs, *stats));
  }
  return kExitOk;
}

// The blob whose key begins with what the user typed.
Result<BlobInfo> FindByPrefix(const std::vector<BlobInfo>& blobs, const std::string& prefix) {
  const BlobInfo* found = nullptr;
  for (const BlobInfo& blob : blobs) {
    if (!blob.key.ToHex().starts_with(prefix)) continue;
    if (found != nullptr) return InvalidArgument("several keys begin with " + prefix);
    found = &blob;
  }
  if (found == nullptr) return NotFound("no key begins with " + prefix);
  return *found;
}

int RunShow(const CommandContext& context, const StoreFlags& flags) {
  auto access = OpenStoreAccess(context, flags.endpoint, flags.directory);
  if (!access.ok()) return Fail(access.status());
  auto blobs = ListAll((*access)->blobs());
  if (!blobs.ok()) return Fail(blobs.status());
  const auto blob = FindByPrefix(*blobs, flags.key);
  if (!blob.ok()) return Fail(blob.status());
  if (flags.json) {
    fmt::print("{}\n", BlobToJson(*blob).dump(2));
  } else {
    fmt::print("{}", RenderBlob(*blob));
  }
  return kExitOk;
}

}  // namespace

void AddStoreCommand(CLI::App& app, CommandContext& context) {
  auto flags = std::make_shared<StoreFlags>();
  CLI::App* command = app.add_subcommand("store", "Look into a cachestore");
  command->require_subcommand(1);
  command->footer(
      "Examples:\n"
      "  promptcache store ls\n"
      "  promptcache store ls --directory promptcache-run/store     (no daemon runs)\n"
      "  promptcache store show 3fa9 --json");
  const auto add = [&](const char* name, const char* help, auto run) {
    CLI::App* sub = command->add_subcommand(name, help);
    sub->add_option("--endpoint", flags->endpoint,
                    "The running cachestore (default: store.endpoint)");
    sub->add_option("--directory", flags->directory,
                    "The store's directory, while no daemon has it open");
    sub->add_flag("--json", flags->json, "Print JSON");
    sub->callback([&context, flags, run] {
      context.run = [&context, flags, run] { return run(context, *flags); };
    });
    return sub;
  };
  add("ls", "List stored units", RunList);
  add("show", "Show one stored unit, identity field by field", RunShow)
      ->add_option("key", flags->key, "Key or its first digits")
      ->required();
}

}  // namespace promptcache

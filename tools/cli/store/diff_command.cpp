#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cachestore/pack/contents.h"
#include "cachestore/pack/pack_reader.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/schema_commands.h"
#include "tools/cli/store/command.h"

namespace promptcache {
namespace {

struct DiffFlags {
  StoreTarget target;
  std::string left;
  std::string right;
};

// Comparing uses nothing of a pack, so nobody needs to be trusted.
Result<std::vector<Content>> ContentsOfPack(const std::string& path) {
  PC_ASSIGN_OR_RETURN(const auto source, OpenPackFile(path));
  PC_ASSIGN_OR_RETURN(const PackReader pack,
                      PackReader::Open(source, {.others = OtherPacks::kAccept}));
  return ContentsOf(pack.manifest());
}

Result<std::vector<Content>> Read(const CommandContext& context, const std::string& what) {
  const bool is_endpoint = what.find("://") != std::string::npos;
  if (!is_endpoint && !std::filesystem::is_directory(what)) return ContentsOfPack(what);
  const StoreTarget target{.endpoint = is_endpoint ? what : "",
                           .directory = is_endpoint ? "" : what};
  PC_ASSIGN_OR_RETURN(const auto access, OpenStoreAccess(context, target, OpenFor::kLooking));
  return ContentsOf(access->blobs());
}

nlohmann::json KeysToJson(const std::vector<UnitKey>& keys) {
  nlohmann::json list = nlohmann::json::array();
  for (const UnitKey& key : keys) list.push_back(key.ToHex());
  return list;
}

void PrintKeys(const char* sign, const std::vector<UnitKey>& keys) {
  for (const UnitKey& key : keys) fmt::print("{} {}\n", sign, key.ToHex());
}

Result<int> RunDiff(const CommandContext& context, const DiffFlags& flags) {
  PC_ASSIGN_OR_RETURN(const std::vector<Content> left, Read(context, flags.left));
  PC_ASSIGN_OR_RETURN(const std::vector<Content> right, Read(context, flags.right));
  const ContentDifference difference = DiffContents(left, right);
  if (flags.target.json) {
    PrintJson(nlohmann::json{{"only_left", KeysToJson(difference.only_left)},
                             {"only_right", KeysToJson(difference.only_right)},
                             {"other_states", KeysToJson(difference.other_states)},
                             {"same", difference.same}});
  } else {
    PrintKeys("<", difference.only_left);
    PrintKeys(">", difference.only_right);
    PrintKeys("!", difference.other_states);
    fmt::print("{} units the same, {} only in {}, {} only in {}, {} with other states\n",
               difference.same, difference.only_left.size(), flags.left,
               difference.only_right.size(), flags.right, difference.other_states.size());
  }
  return difference.same == left.size() && difference.same == right.size() ? kExitOk
                                                                           : kExitCheckFailed;
}

}  // namespace

void AddStoreDiff(const StoreCommands& commands) {
  const auto [command, flags] = AddPlainCommand<DiffFlags>(
      commands,
      {"diff", "Compare two stores or packs",
       "A store's directory, a running store's endpoint or a pack; the blobs' own checksums are\n"
       "compared, no tensors are read. < is only in A, > only in B, ! in both with other states.\n"
       "Ends with 1 when they differ.\n"
       "Examples:\n"
       "  promptcache store diff promptcache-run/store desk.pcpk\n"
       "  promptcache store diff tcp://127.0.0.1:7422 /backup/store --json"},
      RunDiff);
  command->add_option("A", flags->left, "Directory, endpoint or pack")->required();
  command->add_option("B", flags->right, "Likewise")->required();
}

}  // namespace promptcache

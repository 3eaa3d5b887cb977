#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cachestore/pack/import.h"
#include "cachestore/pack/key_file.h"
#include "cachestore/pack/pins.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/progress.h"
#include "tools/cli/schema_commands.h"
#include "tools/cli/store/command.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

struct ImportFlags {
  StoreTarget target;
  std::string file;
  std::vector<std::string> trusted;
  bool allow_unsigned = false;
};

struct Imported {
  ImportReport blobs;
  RecordReport records;
  PinReceipt pins;
  std::string signer;
};

Result<PackReader> OpenPack(const ImportFlags& flags) {
  PackTrust trust{.others = flags.allow_unsigned ? OtherPacks::kAccept : OtherPacks::kRefuse};
  for (const std::string& key : flags.trusted) {
    PC_ASSIGN_OR_RETURN(const PublicKey parsed, ReadPublicKey(key));
    trust.keys.push_back(parsed);
  }
  PC_ASSIGN_OR_RETURN(const auto source, OpenPackFile(flags.file));
  return PackReader::Open(source, trust);
}

ImportProgress ProgressOf(const PackReader& pack) {
  uint64_t total = 0;
  for (const PackBlob& blob : pack.manifest().blobs) total += blob.body.bytes;
  const auto bar = ProgressOnTerminal("importing");
  if (!bar) return nullptr;
  return [bar, total, done = uint64_t{0}](const PackBlob& blob, ImportOutcome) mutable {
    bar(done += blob.body.bytes, total);
  };
}

Result<Imported> ImportAll(const PackReader& pack, StoreAccess& access) {
  Imported imported{.signer = pack.signer() ? pack.signer()->ToHex() : ""};
  PC_ASSIGN_OR_RETURN(imported.blobs, ImportPack(pack, access.blobs(), ProgressOf(pack)));
  if (pack.manifest().records.empty()) return imported;
  PC_ASSIGN_OR_RETURN(imported.records, ImportRecords(pack, access.meta()));
  PC_ASSIGN_OR_RETURN(const auto pins, ImportPins(pack, access.admin()));
  imported.pins = pins.value_or(PinReceipt{});
  return imported;
}

void Print(const Imported& imported, const ImportFlags& flags) {
  const ImportReport& blobs = imported.blobs;
  const RecordReport& records = imported.records;
  if (flags.target.json) {
    return PrintJson(nlohmann::json{{"imported", blobs.imported},
                                    {"imported_bytes", blobs.imported_bytes},
                                    {"present", blobs.present},
                                    {"busy", blobs.busy},
                                    {"records_imported", records.imported},
                                    {"records_present", records.present},
                                    {"records_kept", records.kept},
                                    {"pinned", imported.pins.blobs},
                                    {"pins_refused", imported.pins.refused},
                                    {"signer", imported.signer}});
  }
  fmt::print("{} units imported ({}), {} were there, {} are being written by others; {}\n",
             blobs.imported, FormatBytes(blobs.imported_bytes), blobs.present, blobs.busy,
             imported.signer.empty() ? "not signed" : "signed by " + imported.signer);
  fmt::print("{} records imported, {} were there; {} units pinned, {} pins refused\n",
             records.imported, records.present, imported.pins.blobs, imported.pins.refused);
  for (const std::string& key : records.kept) {
    fmt::print("kept the store's own '{}', which differs from the pack's\n", key);
  }
}

Result<int> RunImport(const CommandContext& context, const ImportFlags& flags) {
  PC_ASSIGN_OR_RETURN(const PackReader pack, OpenPack(flags));
  {
    PC_ASSIGN_OR_RETURN(const auto access,
                        OpenStoreAccess(context, flags.target, OpenFor::kFilling));
    PC_ASSIGN_OR_RETURN(const Imported imported, ImportAll(pack, *access));
    Print(imported, flags);
  }
  return kExitOk;
}

}  // namespace

void AddStoreImport(const StoreCommands& commands) {
  const auto [command, flags] = AddStoreSubcommand<ImportFlags>(
      commands,
      {"import", "Read a pack into a store",
       "Every byte is checked before it is stored. What is there already stays as it is; an import "
       "that was\ncut short goes on where it was. A running coordinator reads schemas when it "
       "starts.\n"
       "Examples:\n"
       "  promptcache store import desk.pcpk --trust release.key.pub\n"
       "  promptcache store import mine.pcpk --allow-unsigned --directory promptcache-run/store"},
      RunImport);
  command->add_option("file", flags->file, "The pack")->required();
  command->add_option("--trust", flags->trusted,
                      "Whose signature is accepted: a .pub file or 64 hex digits; may be repeated");
  command->add_flag("--allow-unsigned", flags->allow_unsigned,
                    "Accept a pack that nobody trusted has signed");
}

}  // namespace promptcache

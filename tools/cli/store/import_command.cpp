#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "cachestore/format/blob.h"
#include "cachestore/pack/import.h"
#include "cachestore/pack/key_file.h"
#include "cachestore/pack/pins.h"
#include "tools/cli/engine_commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/progress.h"
#include "tools/cli/schema_commands.h"
#include "tools/cli/store/command.h"
#include "tools/cli/store/probe_file.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

struct ImportFlags {
  StoreTarget target;
  std::string file;
  std::vector<std::string> trusted;
  bool allow_unsigned = false;
  bool probe = false;
  std::string model;  // that answers the probe; empty: the engine's default
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
  Result<PackReader> pack = PackReader::Open(source, trust);
  if (pack.ok() || pack.status().code() != Code::kFailedPrecondition) return pack;
  return FailedPrecondition(pack.status().message() +
                            "; --trust names a key, --allow-unsigned does without");
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

// Makes `text` what this process, and the one it is replaced by, reads from standard input.
Status GiveAsInput(const std::string& text) {
  const int file = ::memfd_create("probe", 0);
  const auto bytes = static_cast<ssize_t>(text.size());
  if (file < 0 || ::write(file, text.data(), text.size()) != bytes ||
      ::lseek(file, 0, SEEK_SET) != 0 || ::dup2(file, STDIN_FILENO) < 0) {
    return Unavailable(std::string("cannot hand on the probe: ") + std::strerror(errno));
  }
  return {};
}

// The engine opens the store and gives the exit code.
Result<int> Probe(const CommandContext& context, const PackProbe& probe, const ImportFlags& flags) {
  PC_RETURN_IF_ERROR(GiveAsInput(ProbeText(probe)));
  std::vector<std::string> words = {"probe", "check", "-", "--store", flags.target.directory};
  if (!flags.model.empty()) words.insert(words.end(), {"--model", flags.model});
  words.insert(words.end(), {"--dtype", probe.identity.dtype});
  if (probe.identity.kv_layout == kInt8Layout) {
    words.insert(words.end(), {"--store-compression", "int8"});
  }
  if (flags.target.json) words.emplace_back("--json");
  std::fflush(stdout);
  return ReplaceByEngine(context, std::move(words));
}

Status CheckProbe(const PackReader& pack, const ImportFlags& flags) {
  if (!flags.probe) return {};
  if (!pack.manifest().probe) return NotFound(flags.file + " has no probe; leave out --probe");
  if (!flags.target.directory.empty()) return {};
  return InvalidArgument(
      "--probe needs --directory: the model is run on the store's files; a running store can be "
      "asked with `promptcache submit`");
}

Result<int> RunImport(const CommandContext& context, const ImportFlags& flags) {
  PC_ASSIGN_OR_RETURN(const PackReader pack, OpenPack(flags));
  PC_RETURN_IF_ERROR(CheckProbe(pack, flags));
  {
    PC_ASSIGN_OR_RETURN(const auto access,
                        OpenStoreAccess(context, flags.target, OpenFor::kFilling));
    PC_ASSIGN_OR_RETURN(const Imported imported, ImportAll(pack, *access));
    Print(imported, flags);
  }
  return flags.probe ? Probe(context, *pack.manifest().probe, flags) : kExitOk;
}

}  // namespace

void AddStoreImport(const StoreCommands& commands) {
  const auto [command, flags] = AddStoreSubcommand<ImportFlags>(
      commands,
      {"import", "Read a pack into a store",
       "Every byte is checked before it is stored. What is there already stays as it is; an import "
       "that was\ncut short goes on where it was. A running coordinator knows its schemas when "
       "they are asked for.\n"
       "Examples:\n"
       "  promptcache store import desk.pcpk --trust release.key.pub\n"
       "  promptcache store import mine.pcpk --allow-unsigned --directory promptcache-run/store"},
      RunImport);
  command->add_option("file", flags->file, "The pack")->required();
  command->add_option("--trust", flags->trusted,
                      "Whose signature is accepted: a .pub file or 64 hex digits; may be repeated");
  command->add_flag("--allow-unsigned", flags->allow_unsigned,
                    "Accept a pack that nobody trusted has signed");
  command->add_flag("--probe", flags->probe,
                    "Then ask the pack's question of the model: ends with 1 when the answer is "
                    "another one, 6 when the model is");
  command->add_option("--model", flags->model, "The model that --probe asks");
}

}  // namespace promptcache

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "cachestore/pack/key_file.h"
#include "cachestore/pack/pack_writer.h"
#include "cachestore/pack/pins.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/progress.h"
#include "tools/cli/schema_commands.h"
#include "tools/cli/store/command.h"
#include "tools/cli/store/probe_file.h"
#include "tools/cli/store/selection.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

struct ExportFlags {
  StoreTarget target;
  SelectionFlags selection;
  std::string file;
  std::string key_file;
  std::string probe_file;
  bool meta = false;
  bool all = false;
};

struct ExportReport {
  uint64_t blobs = 0;
  uint64_t gone = 0;  // while it went on
  uint64_t records = 0;
  uint64_t pins = 0;
  uint64_t file_bytes = 0;
  std::string signer;
};

// All of them, those that are named, or, when only records are wanted, none.
Result<std::vector<BlobInfo>> BlobsToExport(std::vector<BlobInfo> blobs, const ExportFlags& flags) {
  PC_ASSIGN_OR_RETURN(const BlobSelector selector, SelectorOfSome(blobs, flags.selection));
  const bool named = CheckSelector(selector).ok();
  if (named && flags.all) return InvalidArgument("--all leaves nothing to choose: drop it");
  if (flags.meta && !named && !flags.all) return std::vector<BlobInfo>();
  if (blobs.empty() && !flags.meta) return NotFound("the store has no unit to export");
  return Selected(selector, std::move(blobs));
}

Status WriteBlobs(BlobStore& store, const std::vector<BlobInfo>& blobs, PackWriter& writer,
                  ExportReport& report) {
  uint64_t total = 0;
  for (const BlobInfo& blob : blobs) total += blob.bytes;
  const auto progress = ProgressOnTerminal("exporting");
  uint64_t done = 0;
  for (const BlobInfo& blob : blobs) {
    const Status added = writer.AddBlob(store, blob.key, ImportsOf(blob));
    if (added.code() == Code::kNotFound) {
      ++report.gone;
    } else {
      PC_RETURN_IF_ERROR(added);
      ++report.blobs;
    }
    done += blob.bytes;
    if (progress) progress(done, total);
  }
  return {};
}

// Schemas, jobs and whatever else there is, and the pins of `blobs`.
Status WriteRecords(MetaStore& meta, const std::vector<BlobInfo>& blobs, PackWriter& writer,
                    ExportReport& report) {
  PC_ASSIGN_OR_RETURN(std::vector<MetaEntry> entries,
                      meta.List("", std::numeric_limits<uint64_t>::max()));
  report.records = entries.size();
  report.pins = static_cast<uint64_t>(
      std::count_if(blobs.begin(), blobs.end(), [](const auto& blob) { return blob.use.pinned; }));
  entries.push_back(PinsRecordOf(blobs));
  std::sort(entries.begin(), entries.end(),
            [](const MetaEntry& a, const MetaEntry& b) { return a.key < b.key; });
  for (const MetaEntry& entry : entries) PC_RETURN_IF_ERROR(writer.AddRecord(entry));
  return {};
}

Result<ExportReport> Export(StoreAccess& access, const ExportFlags& flags) {
  std::optional<SigningKey> key;
  if (!flags.key_file.empty()) {
    PC_ASSIGN_OR_RETURN(key, ReadSigningKey(flags.key_file));
  }
  PC_ASSIGN_OR_RETURN(const std::vector<BlobInfo> all, ListAll(access.blobs()));
  PC_ASSIGN_OR_RETURN(const std::vector<BlobInfo> blobs, BlobsToExport(all, flags));
  PC_ASSIGN_OR_RETURN(const auto writer, PackWriter::Create(flags.file));
  ExportReport report{.signer = key ? key->public_key().ToHex() : ""};
  PC_RETURN_IF_ERROR(WriteBlobs(access.blobs(), blobs, *writer, report));
  if (flags.meta) PC_RETURN_IF_ERROR(WriteRecords(access.meta(), all, *writer, report));
  if (!flags.probe_file.empty()) {
    PC_ASSIGN_OR_RETURN(PackProbe probe, ReadProbeFile(flags.probe_file));
    writer->SetProbe(std::move(probe));
  }
  if (report.blobs == 0 && report.records == 0) {
    return NotFound("nothing is left to export; " + flags.file + " is as it was");
  }
  PC_ASSIGN_OR_RETURN(report.file_bytes, writer->Finish(key));
  return report;
}

Result<int> RunExport(const CommandContext& context, const ExportFlags& flags) {
  PC_ASSIGN_OR_RETURN(const auto access, OpenStoreAccess(context, flags.target, OpenFor::kLooking));
  PC_ASSIGN_OR_RETURN(const ExportReport report, Export(*access, flags));
  if (flags.target.json) {
    PrintJson(nlohmann::json{{"file", flags.file},
                             {"file_bytes", report.file_bytes},
                             {"blobs", report.blobs},
                             {"gone", report.gone},
                             {"records", report.records},
                             {"pins", report.pins},
                             {"signer", report.signer}});
    return kExitOk;
  }
  fmt::print("{}: {} units, {} records, {} pins, {}; {}\n", flags.file, report.blobs,
             report.records, report.pins, FormatBytes(report.file_bytes),
             report.signer.empty() ? "not signed" : "signed by " + report.signer);
  if (report.gone > 0) fmt::print("{} units went while they were exported\n", report.gone);
  return kExitOk;
}

struct KeygenFlags {
  StoreTarget target;
  std::string file;
};

Result<int> RunKeygen(const CommandContext&, const KeygenFlags& flags) {
  PC_ASSIGN_OR_RETURN(const PublicKey key, WriteNewSigningKey(flags.file));
  if (flags.target.json) {
    PrintJson(nlohmann::json{{"file", flags.file}, {"public_key", key.ToHex()}});
  } else {
    fmt::print("{} signs and is to be kept secret; {}.pub is for those who import: {}\n",
               flags.file, flags.file, key.ToHex());
  }
  return kExitOk;
}

}  // namespace

void AddStoreExport(const StoreCommands& commands) {
  const auto [command, flags] = AddStoreSubcommand<ExportFlags>(
      commands,
      {"export", "Write units, or a backup of what is registered, to a pack",
       "Without a choice all units; with --meta alone only schemas, jobs and pins.\n"
       "Examples:\n"
       "  promptcache store export desk.pcpk --schema desk --sign release.key\n"
       "  promptcache store export backup.pcpk --meta\n"
       "  promptcache store export everything.pcpk --meta --all --directory promptcache-run/store"},
      RunExport);
  command->add_option("file", flags->file, "The pack; one that is there is replaced")->required();
  flags->selection.AddTo(*command);
  CLI::Option* meta = command->add_flag("--meta", flags->meta, "Also schemas, jobs and pins");
  command->add_flag("--all", flags->all, "With --meta: also all units")->needs(meta);
  command->add_option("--sign", flags->key_file,
                      "Sign with this key; see `promptcache store keygen`");
  command->add_option(
      "--probe", flags->probe_file,
      "A question with its answer, for `import --probe`; see `promptcache probe make`");
  const auto [keygen, keygen_flags] = AddPlainCommand<KeygenFlags>(
      commands,
      {"keygen", "Make a key that signs packs",
       "Example:\n  promptcache store keygen release.key     (and release.key.pub)"},
      RunKeygen);
  keygen->add_option("file", keygen_flags->file, "The secret key; FILE.pub is the public one")
      ->required();
}

}  // namespace promptcache

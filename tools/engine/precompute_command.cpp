#include "tools/engine/precompute_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cachestore/disk/open.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/progress.h"
#include "tools/cli/store/access.h"
#include "tools/precompute/model_producer.h"
#include "tools/precompute/report.h"

namespace promptcache {
namespace {

constexpr uint32_t kMaxShards = 65'536;

struct PrecomputeFlags {
  std::vector<std::string> inputs;  // one manifest, or schema files
  ManifestModel model;              // where no manifest names any
  std::string model_flags;          // those of them that the user gave; for messages
  std::string src_root;             // of schema files
  uint32_t max_tokens = 0;          // likewise
  std::string schema_flags;         // those of them that the user gave
  std::string store;
  std::string endpoint;
  std::string device = "cpu";
  int threads = 0;
  Shard shard;
  std::string compression = "none";
  double rate = 0;  // 0: measure
  bool dry_run = false;
  bool check = false;
  bool json = false;
};

// Names of files may be no UTF-8.
void Print(const nlohmann::json& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

// ---- what to do ----

Result<Manifest> ManifestOf(const PrecomputeFlags& flags) {
  Manifest manifest;
  const auto found =
      std::find_if(flags.inputs.begin(), flags.inputs.end(),
                   [](const std::string& input) { return input.ends_with(".toml"); });
  if (found != flags.inputs.end()) {
    if (flags.inputs.size() > 1) {
      return InvalidArgument(*found +
                             " is a manifest, which stands alone: name the other files in it");
    }
    PC_ASSIGN_OR_RETURN(manifest, ReadManifest(flags.inputs[0]));
    const std::string not_taken =
        flags.schema_flags + (manifest.models.empty() ? "" : flags.model_flags);
    if (!not_taken.empty()) {
      return InvalidArgument(flags.inputs[0] + " says this itself; leave out" + not_taken);
    }
  } else {
    for (const std::string& file : flags.inputs) {
      manifest.schemas.push_back(
          {.file = file, .src_root = flags.src_root, .max_tokens = flags.max_tokens});
    }
  }
  if (manifest.models.empty()) {
    manifest.models.push_back(flags.model);
    PC_ASSIGN_OR_RETURN(manifest.models[0].compression, ParseCompression(flags.compression));
    manifest.models[0].name = std::filesystem::path(flags.model.path).filename().string();
  }
  return manifest;
}

Result<std::vector<ModelPlan>> PlanAll(const PrecomputeFlags& flags) {
  PC_ASSIGN_OR_RETURN(const Manifest manifest, ManifestOf(flags));
  std::vector<ModelPlan> plans;
  for (const ManifestModel& model : manifest.models) {
    PC_ASSIGN_OR_RETURN(ModelPlan plan,
                        PlanModel(manifest, model,
                                  {.device = flags.device,
                                   .shard = flags.shard,
                                   .hashing = ProgressOnTerminal("hashing " + model.name)}));
    plans.push_back(std::move(plan));
  }
  return plans;
}

// ---- the store ----

struct OpenedStore {
  std::unique_ptr<DiskStore> disk;
  std::unique_ptr<StoreAccess> daemon;

  bool is_open() const { return disk != nullptr || daemon != nullptr; }
  BlobStore& blobs() const { return disk ? disk->blobs() : daemon->blobs(); }
};

// Not open when there is nothing to look at: no store was named, or its directory does not exist.
Result<OpenedStore> OpenToLook(const PrecomputeFlags& flags) {
  OpenedStore store;
  if (!flags.endpoint.empty()) {
    PC_ASSIGN_OR_RETURN(store.daemon,
                        OpenStoreAccess({}, {.endpoint = flags.endpoint}, OpenFor::kLooking));
  } else if (!flags.store.empty()) {
    auto disk = OpenDiskStoreReadOnly(flags.store);
    if (disk.status().code() == Code::kNotFound) return store;
    PC_ASSIGN_OR_RETURN(store.disk, std::move(disk));
  }
  return store;
}

Result<OpenedStore> OpenToFill(const PrecomputeFlags& flags) {
  OpenedStore store;
  if (!flags.endpoint.empty()) {
    PC_ASSIGN_OR_RETURN(store.daemon,
                        OpenStoreAccess({}, {.endpoint = flags.endpoint}, OpenFor::kFilling));
  } else {
    PC_ASSIGN_OR_RETURN(store.disk, OpenDiskStore({.directory = flags.store}));
  }
  return store;
}

Result<std::unique_ptr<ModelProducer>> LoadWeights(const ModelPlan& plan,
                                                   const PrecomputeFlags& flags) {
  return ModelProducer::Load(plan, {.device = flags.device,
                                    .threads = flags.threads,
                                    .progress = ProgressOnTerminal("loading " + plan.model.name)});
}

// ---- --check and --dry-run ----

Result<Rate> RateOf(const ModelPlan& plan, const PrecomputeFlags& flags) {
  if (flags.rate > 0) return Rate{flags.rate, true};
  PC_ASSIGN_OR_RETURN(const auto producer, LoadWeights(plan, flags));
  PC_ASSIGN_OR_RETURN(const double rate, producer->MeasureRate());
  return Rate{rate, false};
}

Result<ModelCoverage> CoverageOf(ModelPlan& plan, const PrecomputeFlags& flags,
                                 const OpenedStore& store) {
  plan.stored.assign(plan.units.size(), false);
  if (store.is_open()) {
    PC_ASSIGN_OR_RETURN(plan.stored, StoredUnits(store.blobs(), plan.units));
  }
  ModelCoverage coverage{.plan = &plan, .missing = MissingUnits(plan.units, plan.stored)};
  if (flags.dry_run && !coverage.missing.empty()) {
    PC_ASSIGN_OR_RETURN(coverage.rate, RateOf(plan, flags));
  }
  return coverage;
}

Result<uint64_t> Look(const PrecomputeFlags& flags) {
  PC_ASSIGN_OR_RETURN(std::vector<ModelPlan> plans, PlanAll(flags));
  PC_ASSIGN_OR_RETURN(const OpenedStore store, OpenToLook(flags));
  std::vector<ModelCoverage> models;
  for (ModelPlan& plan : plans) {
    PC_ASSIGN_OR_RETURN(ModelCoverage coverage, CoverageOf(plan, flags, store));
    models.push_back(std::move(coverage));
  }
  if (flags.json) {
    Print(CoverageToJson(models));
  } else {
    fmt::print("{}", RenderCoverage(models));
  }
  return CountMissing(models);
}

int RunLook(const PrecomputeFlags& flags) {
  const auto missing = Look(flags);
  if (!missing.ok()) return Fail(missing.status());
  return flags.check && *missing > 0 ? kExitCheckFailed : kExitOk;
}

// ---- encoding ----

// A line that is written over; nothing where standard error is no terminal.
PrecomputeReporter ReporterOnTerminal(const std::string& model) {
  if (::isatty(STDERR_FILENO) == 0) return nullptr;
  const SteadyTime start = SystemClock().Now();
  return [model, start](const PrecomputeProgress& done, const PrecomputeProgress& total) {
    const double seconds = MillisecondsBetween(start, SystemClock().Now()) / 1000;
    fmt::print(stderr, "\r{} {}\x1b[K{}", model, ProgressText(done, total, seconds),
               done.units == total.units ? "\n" : "");
  };
}

Result<PrecomputeOutcome> FillModel(const ModelPlan& plan, const PrecomputeFlags& flags,
                                    BlobStore& store) {
  const std::vector<WorkUnit> missing = MissingUnits(plan.units, plan.stored);
  if (missing.empty()) return PrecomputeOutcome();
  PC_ASSIGN_OR_RETURN(const auto producer, LoadWeights(plan, flags));
  return ProduceUnits(store, *producer, missing, ReporterOnTerminal(plan.model.name));
}

Status Fill(const PrecomputeFlags& flags) {
  PC_ASSIGN_OR_RETURN(std::vector<ModelPlan> plans, PlanAll(flags));
  PC_ASSIGN_OR_RETURN(const OpenedStore store, OpenToFill(flags));
  nlohmann::json models = nlohmann::json::array();
  for (ModelPlan& plan : plans) {
    PC_ASSIGN_OR_RETURN(plan.stored, StoredUnits(store.blobs(), plan.units));
    PC_RETURN_IF_ERROR(RecordUsers(store.blobs(), plan.units, plan.stored));
    const auto before =
        static_cast<uint64_t>(std::count(plan.stored.begin(), plan.stored.end(), true));
    PC_ASSIGN_OR_RETURN(const PrecomputeOutcome outcome, FillModel(plan, flags, store.blobs()));
    if (flags.json) {
      models.push_back(OutcomeToJson(plan.model.name, outcome, before));
    } else {
      fmt::print("{}", RenderOutcome(plan.model.name, outcome, before));
    }
  }
  if (flags.json) Print({{"models", std::move(models)}});
  for (const ModelPlan& plan : plans) {
    PC_RETURN_IF_ERROR(CheckKept(store.blobs(), plan.units).WithContext(plan.model.name));
  }
  return {};
}

int RunPrecompute(const PrecomputeFlags& flags) {
  if (flags.dry_run || flags.check) return RunLook(flags);
  const Status status = Fill(flags);
  return status.ok() ? kExitOk : Fail(status);
}

// ---- flags ----

// "2/8" into the shard; a message when it is none.
std::string ReadShard(const std::string& text, Shard& shard) {
  char end = 0;
  if (std::sscanf(text.c_str(), "%u/%u%c", &shard.part, &shard.parts, &end) == 2 &&
      shard.part >= 1 && shard.part <= shard.parts && shard.parts <= kMaxShards) {
    return "";
  }
  return fmt::format("'{}' is not PART/PARTS with 1 <= PART <= PARTS <= {}", text, kMaxShards);
}

std::string CheckRate(const std::string& text) {
  double rate = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, rate);
  if (read.ec == std::errc() && read.ptr == end && rate > 0 && std::isfinite(rate)) return "";
  return "'" + text + "' is no rate: tokens per second, above 0";
}

// Those of the options that the user gave: " --model --dtype".
std::string Given(const CLI::App& command, std::initializer_list<const char*> names) {
  std::string given;
  for (const char* name : names) {
    if (command.count(name) > 0) given += std::string(" ") + name;
  }
  return given;
}

void AddWhatFlags(CLI::App& command, PrecomputeFlags& flags) {
  flags.model.path = PROMPTCACHE_DEFAULT_MODEL;
  command.add_option("inputs", flags.inputs, "A manifest (*.toml), or PML schema files")
      ->required();
  command
      .add_option("--model", flags.model.path,
                  "GGUF file or Hugging Face directory, where no manifest names models")
      ->capture_default_str();
  command.add_option("--dtype", flags.model.dtype, "auto, fp32 or bf16; likewise")
      ->capture_default_str();
  command
      .add_option("--template", flags.model.chat_template,
                  "Chat template: auto, a name, or a .toml file; likewise")
      ->capture_default_str();
  command
      .add_option("--compression", flags.compression,
                  "What the workers' store_compression (`promptcache run --store-compression`) is: "
                  "none, zstd, int8 or int8-zstd; likewise")
      ->capture_default_str();
  command.add_option("--src-root", flags.src_root,
                     "Of schema files: the folder of the files that src names (default: theirs)");
  command.add_option("--max-tokens", flags.max_tokens,
                     "Of schema files: truncate longer text runs, as they are registered");
  command.add_option("--device", flags.device, "cpu or cuda:N")->capture_default_str();
  command.add_option("--threads", flags.threads, "CPU threads; 0: one per core")
      ->capture_default_str();
}

}  // namespace

void AddPrecompute(CLI::App& app, std::function<int()>& run) {
  auto flags = std::make_shared<PrecomputeFlags>();
  CLI::App* command =
      app.add_subcommand("precompute", "Encode units that a store lacks, without a cluster");
  AddWhatFlags(*command, *flags);
  CLI::Option_group* where =
      command->add_option_group("Store", "The store that is filled or looked at");
  where->add_option("--store", flags->store, "The store's directory, while no daemon has it open");
  where->add_option("--endpoint", flags->endpoint, "A running cachestore: tcp://HOST:PORT");
  where->require_option(0, 1);
  command->add_option("--shard", "Only this part of the work: 2/8 is the second of eight")
      ->type_name("PART/PARTS")
      ->check([flags](const std::string& text) { return ReadShard(text, flags->shard); });
  CLI::Option* dry_run =
      command->add_flag("--dry-run", flags->dry_run, "Print what is missing and what it costs");
  command
      ->add_option("--rate", flags->rate,
                   "Of --dry-run: tokens per second (default: load the model and measure)")
      ->check(CheckRate)
      ->needs(dry_run);
  command->add_flag("--check", flags->check, "Print what is missing; exit 1 if anything is")
      ->excludes(dry_run);
  command->add_flag("--json", flags->json, "Print JSON");
  command->footer(std::string(
      "Encodes one unit after the other and commits each before the next is begun: what was\n"
      "killed goes on where it was. tools/precompute/README.md documents the manifest.\n\n"
      "Exit codes: 0 everything asked for is stored (--dry-run: the cost was printed);\n"
      "1 --check found units missing; 2 usage; 3 the manifest or a schema is invalid; 4 a file is\n"
      "not there; 6 the directory is open in another process; 7 the store is not reachable;\n"
      "8 another process is storing units, run it again; 9 the store is full, or dropped units "
      "again.\n\n"
      "Examples:\n"
      "  promptcache precompute schemas.toml --store units\n"
      "  promptcache precompute support-desk.xml --model model.gguf --endpoint tcp://HOST:7422\n"
      "  promptcache precompute schemas.toml --store units --check\n"
      "  promptcache precompute schemas.toml --endpoint tcp://HOST:7422 --shard 2/8 "
      "--device cuda:1"));
  command->callback([flags, command, &run] {
    flags->model_flags = Given(*command, {"--model", "--dtype", "--template", "--compression"});
    flags->schema_flags = Given(*command, {"--src-root", "--max-tokens"});
    if (flags->store.empty() && flags->endpoint.empty() && !flags->dry_run) {
      throw CLI::RequiredError("--store or --endpoint");
    }
    run = [flags] { return RunPrecompute(*flags); };
  });
}

}  // namespace promptcache

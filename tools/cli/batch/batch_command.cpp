#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "tools/cli/batch/batch_report.h"
#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"

namespace promptcache {
namespace {

constexpr std::chrono::milliseconds kFollowPause{500};
constexpr int kMaxFollowFailures = 120;  // one after the other

struct BatchFlags {
  std::string id;
  bool json = false;
  bool follow = false;
  std::string output = "-";
};

Result<RequestId> BatchIdOf(const std::string& text) {
  Result<RequestId> id = RequestId::FromHex(text);
  if (id.ok()) return id;
  return InvalidArgument("'" + text +
                         "' is no batch's id, 32 hex digits as `promptcache batch ls` shows them");
}

// A call that needs a coordinator, and what to print of its answer.
Result<BatchReply> Ask(const CommandContext& context, const BatchFlags& flags) {
  BatchQuery query{.limit = 1};
  if (!flags.id.empty()) {
    PC_ASSIGN_OR_RETURN(query.batch, BatchIdOf(flags.id));
  }
  PC_ASSIGN_OR_RETURN(const auto client, ConnectClient(context));
  return client->QueryBatches(query);
}

int RunList(const CommandContext& context, const BatchFlags& flags) {
  const auto reply = Ask(context, flags);
  if (!reply.ok()) return Fail(reply.status());
  nlohmann::json list = nlohmann::json::array();
  for (const BatchInfo& batch : reply->batches) list.push_back(BatchToJson(batch));
  fmt::print("{}", flags.json ? list.dump(2) + "\n" : RenderBatches(reply->batches));
  return kExitOk;
}

int RunShow(const CommandContext& context, const BatchFlags& flags) {
  const auto reply = Ask(context, flags);
  if (!reply.ok()) return Fail(reply.status());
  if (reply->batches.size() != 1) return Fail(Unavailable("the coordinator told of no batch"));
  const BatchInfo& batch = reply->batches.front();
  fmt::print("{}", flags.json ? BatchToJson(batch).dump(2) + "\n" : RenderBatch(batch));
  return kExitOk;
}

// Where results go: a file, or standard output.
class ResultFile {
 public:
  static Result<ResultFile> Open(const std::string& path) {
    std::FILE* const file = path == "-" ? stdout : std::fopen(path.c_str(), "w");
    if (file == nullptr) return Unavailable("cannot write " + path);
    return ResultFile(path, file);
  }
  Status Write(const BatchResult& result) {
    fmt::print(file_.get(), "{}", BatchResultLine(result));
    return Flush();
  }
  Status Flush() {
    if (std::fflush(file_.get()) == 0 && std::ferror(file_.get()) == 0) return {};
    return Unavailable("cannot write " + path_);
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const {
      if (file != stdout) (void)std::fclose(file);
    }
  };
  ResultFile(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
};

Status CopyAll(Client& client, const RequestId& batch, ResultFile& file) {
  BatchQuery query{.batch = batch};
  for (;;) {
    PC_ASSIGN_OR_RETURN(const BatchReply reply, client.QueryBatches(query));
    for (const BatchResult& result : reply.results) {
      PC_RETURN_IF_ERROR(file.Write(result));
      query.first = result.item + 1;
    }
    if (!reply.more || reply.results.empty()) return {};
  }
}

// In the order of the items: what ended before an earlier one waits for that. Coordinators may be
// away for a while.
Status Follow(Client& client, const RequestId& batch, ResultFile& file) {
  BatchQuery query{.batch = batch};
  for (int failures = 0;;) {
    const Result<BatchReply> reply = client.QueryBatches(query);
    const bool is_away =
        reply.status().code() == Code::kUnavailable && ++failures < kMaxFollowFailures;
    if (!reply.ok() && !is_away) return reply.status();
    query.limit = 1;  // until that one is there
    if (reply.ok()) {
      failures = 0;
      for (const BatchResult& result : reply->results) {
        if (result.item != query.first) break;
        PC_RETURN_IF_ERROR(file.Write(result));
        ++query.first;
        query.limit = 0;
      }
      if (reply->batches.size() != 1) return Unavailable("the coordinator told of no batch");
      if (query.first >= reply->batches.front().items) return {};
    }
    if (query.limit == 1) std::this_thread::sleep_for(kFollowPause);
  }
}

int RunResults(const CommandContext& context, const BatchFlags& flags) {
  const auto id = BatchIdOf(flags.id);
  if (!id.ok()) return Fail(id.status());
  auto client = ConnectClient(context);
  if (!client.ok()) return Fail(client.status());
  auto file = ResultFile::Open(flags.output);
  if (!file.ok()) return Fail(file.status());
  const Status copied = flags.follow ? Follow(**client, *id, *file) : CopyAll(**client, *id, *file);
  return copied.ok() ? kExitOk : Fail(copied);
}

int RunRemove(const CommandContext& context, const BatchFlags& flags) {
  const auto id = BatchIdOf(flags.id);
  if (!id.ok()) return Fail(id.status());
  auto client = ConnectClient(context);
  if (!client.ok()) return Fail(client.status());
  if (const Status removed = (*client)->RemoveBatch(*id); !removed.ok()) return Fail(removed);
  fmt::print("removed {}\n", flags.id);
  return kExitOk;
}

using RunBatch = int (*)(const CommandContext& context, const BatchFlags& flags);

struct Subcommand {
  const char* name;
  const char* description;
  RunBatch run;
};

CLI::App* AddSubcommand(CLI::App& parent, CommandContext& context, const Subcommand& subcommand,
                        const std::shared_ptr<BatchFlags>& flags) {
  CLI::App* command = parent.add_subcommand(subcommand.name, subcommand.description);
  if (subcommand.run != RunList) {
    command->add_option("batch", flags->id, "Its id, 32 hex digits")->required();
  }
  if (subcommand.run == RunList || subcommand.run == RunShow) {
    command->add_flag("--json", flags->json, "Print JSON");
  }
  command->callback([&context, flags, run = subcommand.run] {
    context.run = [&context, flags, run] { return run(context, *flags); };
  });
  return command;
}

}  // namespace

void AddBatchCommand(CLI::App& app, CommandContext& context) {
  CLI::App* batch =
      app.add_subcommand("batch", "Batches of prompts that coordinators keep, and their results");
  batch->require_subcommand(1);
  batch->footer(
      "`promptcache submit --batch FILE.jsonl` adds one. It survives restarts of all "
      "coordinators;\n"
      "its results are kept until it is removed.\n"
      "Examples:\n"
      "  promptcache batch ls\n"
      "  promptcache batch results 0af7651916cd43dd8448eb211c80319c --follow -o answers.jsonl\n"
      "  promptcache batch rm 0af7651916cd43dd8448eb211c80319c");
  const auto flags = std::make_shared<BatchFlags>();
  AddSubcommand(*batch, context, {"ls", "All batches of your tenant", RunList}, flags);
  AddSubcommand(*batch, context, {"show", "How far a batch is", RunShow}, flags);
  CLI::App* results = AddSubcommand(
      *batch, context,
      {"results", "What became of its items: one line of JSON each, in their order", RunResults},
      flags);
  results->add_flag("--follow", flags->follow, "Wait for those that have not ended");
  results->add_option("-o,--output", flags->output, "File to write, - for standard output")
      ->capture_default_str();
  results->footer(
      "A result has item (from 0), name, status, message, text, samples and usage. An item that\n"
      "failed has a result too; the exit code is 0 when all that there are were written.\n"
      "Examples:\n"
      "  promptcache batch results ID\n"
      "  promptcache batch results ID --follow -o answers.jsonl");
  AddSubcommand(*batch, context, {"rm", "Cancel what runs of it, and drop its results", RunRemove},
                flags);
}

}  // namespace promptcache

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "tools/cli/cluster/ask_each.h"
#include "tools/cli/cluster/explain_report.h"
#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"

namespace promptcache {
namespace {

struct ExplainFlags {
  std::string request;
  bool json = false;
};

using Render = std::string (*)(const RequestReport& request);

Result<ExplainReply> Ask(const CommandContext& context, const ExplainFlags& flags) {
  std::optional<RequestId> id;
  if (!flags.request.empty()) {
    PC_ASSIGN_OR_RETURN(id, RequestId::FromHex(flags.request));
  }
  PC_ASSIGN_OR_RETURN(const auto client, ConnectClient(context));
  Result<ExplainReply> reply = client->Explain(id);
  if (context.endpoints.size() < 2 || reply.status().code() != Code::kNotFound) return reply;
  return AskEach(context.endpoints, [&](const std::string& endpoint) -> Result<ExplainReply> {
    CommandContext one = context;
    one.endpoints = {endpoint};
    PC_ASSIGN_OR_RETURN(const auto another, ConnectClient(one));
    return another->Explain(id);
  });
}

int RunExplain(const CommandContext& context, const ExplainFlags& flags, Render render) {
  const auto reply = Ask(context, flags);
  if (!reply.ok()) return Fail(reply.status());
  if (flags.json) {
    nlohmann::json list = nlohmann::json::array();
    for (const RequestReport& request : reply->requests) list.push_back(ExplainToJson(request));
    fmt::print("{}\n", (flags.request.empty() || list.empty() ? list : list.at(0)).dump(2));
  } else if (flags.request.empty()) {
    fmt::print("{}", RenderRequests(reply->requests));
  } else if (!reply->requests.empty()) {
    fmt::print("{}", render(reply->requests.front()));
  }
  return kExitOk;
}

void AddFlags(CLI::App* command, CommandContext& context, Render render) {
  auto flags = std::make_shared<ExplainFlags>();
  command->add_option("request", flags->request,
                      "Its id, 32 hex digits; none: the slowest of the recent requests");
  command->add_flag("--json", flags->json, "Print JSON");
  command->callback([&context, flags, render] {
    context.run = [&context, flags, render] { return RunExplain(context, *flags, render); };
  });
}

}  // namespace

void AddExplainCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "explain", "Why a request went where it went, and what each of its units cost");
  command->footer(
      "Which worker was chosen and the seconds it lost or won by, what was found in which tier "
      "and\n"
      "why something was missed. A coordinator remembers its last 1,024 requests, and the 256 "
      "slowest\n"
      "of ten minutes; where --connect names several, each is asked until one knows the request.\n"
      "Examples:\n"
      "  promptcache explain\n"
      "  promptcache explain 0af7651916cd43dd8448eb211c80319c\n"
      "  promptcache explain 0af7651916cd43dd8448eb211c80319c --json");
  AddFlags(command, context, RenderExplain);
}

void AddTraceCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command =
      app.add_subcommand("trace", "The stages of a request on a line of time, with its trace id");
  command->footer(
      "The trace is the W3C traceparent that the client gave, else one whose trace id is the\n"
      "request's id. Every message about the request carries it.\n"
      "Examples:\n"
      "  promptcache trace\n"
      "  promptcache trace 0af7651916cd43dd8448eb211c80319c");
  AddFlags(command, context, RenderTrace);
}

}  // namespace promptcache

#include "tools/cli/cluster/explain_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tools/cli/render.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

using nlohmann::json;

json RouteToJson(const RouteReport& route) {
  return {{"worker", route.worker},
          {"room", route.room},
          {"full", route.full},
          {"device_tokens", route.device_tokens},
          {"wait_s", route.wait_s},
          {"work_s", route.work_s},
          {"congestion_s", route.congestion_s},
          {"displacement_s", route.displacement_s},
          {"kv_s", route.kv_s},
          {"tie_s", route.tie_s},
          {"total_s", route.total < 0 ? json(nullptr) : json(route.total)}};
}

std::string Seconds(double seconds) { return fmt::format("{:.4f}", seconds); }

// Why it is not the least of all, where that is so.
std::string RemarkOn(const RouteReport& route) {
  if (!route.room) return "no free slot";
  if (route.full) return "queue is full";
  return route.total < 0 ? "not wanted by the policy" : "";
}

std::string RenderRoutes(const std::vector<RouteReport>& routes) {
  Table table({{"worker"},
               {"held tokens", Align::kRight},
               {"wait s", Align::kRight},
               {"work s", Align::kRight},
               {"congestion s", Align::kRight},
               {"displaced s", Align::kRight},
               {"memory s", Align::kRight},
               {"not home s", Align::kRight},
               {"total s", Align::kRight},
               {""}});
  for (const RouteReport& route : routes) {
    const bool chosen = &route == &routes.front();
    table.AddRow({route.worker, std::to_string(route.device_tokens), Seconds(route.wait_s),
                  Seconds(route.work_s), Seconds(route.congestion_s), Seconds(route.displacement_s),
                  Seconds(route.kv_s), Seconds(route.tie_s),
                  route.total < 0 ? "-" : Seconds(route.total),
                  chosen ? "chosen" : RemarkOn(route)});
  }
  return table.Render();
}

std::string StateOf(const RequestReport& request) {
  if (request.ended_ms <= 0) return "running";
  return std::string(CodeName(request.code));
}

std::string At(double milliseconds) {
  return milliseconds > 0 ? FormatMs(milliseconds) : std::string("-");
}

std::string RenderAttempt(const AttemptReport& attempt) {
  std::string out = fmt::format("\nattempt {}: given to '{}' after {}", attempt.attempt,
                                attempt.worker, FormatMs(attempt.given_ms));
  if (!attempt.end.empty()) out += ", ended: " + attempt.end;
  out += "\n";
  if (attempt.routes.empty())
    return out + "  no scores: it was found there, or they are told to keys of role admin only\n";
  return out + RenderRoutes(attempt.routes);
}

struct Stage {
  const char* name;
  double from_ms;
  double to_ms;
};

// Those that have begun. What has not ended goes on to the last thing that is known.
std::vector<Stage> StagesOf(const RequestReport& request) {
  const double given = request.attempts.empty() ? 0 : request.attempts.front().given_ms;
  double last = std::max({request.planned_ms, given, request.first_token_ms, request.ended_ms});
  for (const AttemptReport& attempt : request.attempts) last = std::max(last, attempt.given_ms);
  const auto until = [&](double time) { return time > 0 ? time : last; };
  std::vector<Stage> stages = {{"parse and plan", 0, until(request.planned_ms)}};
  if (request.planned_ms <= 0) return stages;
  stages.push_back({"wait for a worker", request.planned_ms, until(given)});
  if (request.attempts.empty()) return stages;
  stages.push_back({"first token", given, until(request.first_token_ms)});
  if (request.first_token_ms > 0) {
    stages.push_back({"answer", request.first_token_ms, until(request.ended_ms)});
  }
  return stages;
}

constexpr double kBar = 48;  // characters

std::string TraceOf(const RequestReport& request) {
  return request.trace.empty() ? "" : ", trace " + request.trace;
}

}  // namespace

json ExplainToJson(const RequestReport& request) {
  json attempts = json::array();
  for (const AttemptReport& attempt : request.attempts) {
    json routes = json::array();
    for (const RouteReport& route : attempt.routes) routes.push_back(RouteToJson(route));
    attempts.push_back({{"attempt", attempt.attempt},
                        {"worker", attempt.worker},
                        {"given_ms", attempt.given_ms},
                        {"end", attempt.end},
                        {"routes", std::move(routes)}});
  }
  return {{"id", request.id.ToHex()},
          {"trace", request.trace},
          {"client", request.client},
          {"tenant", request.tenant},
          {"schema", request.schema},
          {"version", request.version},
          {"received_unix_ms", request.received_unix_ms},
          {"planned_ms", request.planned_ms},
          {"first_token_ms", request.first_token_ms},
          {"ended_ms", request.ended_ms},
          {"state", StateOf(request)},
          {"message", request.message},
          {"attempts", std::move(attempts)},
          {"usage", UsageToJson(request.usage)}};
}

std::string RenderExplain(const RequestReport& request) {
  std::string out = fmt::format(
      "request {}: {}{}\n{}@{}, from '{}'{}, {} UTC\nplanned after {}, first token after {}, ended "
      "after {}\n",
      request.id.ToHex(), StateOf(request), TraceOf(request), request.schema, request.version,
      request.client, request.tenant.empty() ? "" : " of " + request.tenant,
      FormatUtc(request.received_unix_ms), At(request.planned_ms), At(request.first_token_ms),
      At(request.ended_ms));
  if (!request.message.empty()) out += request.message + "\n";
  for (const AttemptReport& attempt : request.attempts) out += RenderAttempt(attempt);
  if (request.usage.units.empty()) return out;
  return out + "\n" + RenderUsage(request.usage);
}

std::string RenderRequests(const std::vector<RequestReport>& requests) {
  Table table({{"request"},
               {"state"},
               {"schema"},
               {"worker"},
               {"attempts", Align::kRight},
               {"first token", Align::kRight},
               {"ended", Align::kRight},
               {"cached", Align::kRight},
               {"computed", Align::kRight}});
  for (const RequestReport& request : requests) {
    table.AddRow({request.id.ToHex(), StateOf(request), request.schema,
                  request.attempts.empty() ? "-" : request.attempts.back().worker,
                  std::to_string(request.attempts.size()), At(request.first_token_ms),
                  At(request.ended_ms), std::to_string(request.usage.cached_tokens),
                  std::to_string(request.usage.computed_tokens)});
  }
  return table.Render();
}

std::string RenderTrace(const RequestReport& request) {
  const std::vector<Stage> stages = StagesOf(request);
  const double end = std::max(stages.back().to_ms, 1e-3);
  std::string out =
      fmt::format("request {}: {}{}\n", request.id.ToHex(), StateOf(request), TraceOf(request));
  for (const Stage& stage : stages) {
    const auto before = static_cast<size_t>(std::floor(stage.from_ms / end * kBar));
    const auto length = static_cast<size_t>(std::ceil((stage.to_ms - stage.from_ms) / end * kBar));
    out += fmt::format("{:<18} {:>9}  {}{}\n", stage.name, FormatMs(stage.to_ms - stage.from_ms),
                       std::string(before, ' '), std::string(std::max<size_t>(length, 1), '#'));
  }
  return out;
}

}  // namespace promptcache

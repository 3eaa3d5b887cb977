#include "tools/cli/answer_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/render.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

using nlohmann::json;

json LogprobToJson(const TokenLogprob& one) {
  return {{"id", one.id}, {"text", one.bytes}, {"logprob", one.logprob}};
}

json SampleToJson(const SampleAnswer& sample) {
  json logprobs = json::array();
  for (const TokenLogprobs& token : sample.logprobs) {
    json entry = LogprobToJson(token.chosen);
    entry["top"] = json::array();
    for (const TokenLogprob& one : token.top) entry["top"].push_back(LogprobToJson(one));
    logprobs.push_back(std::move(entry));
  }
  return {{"text", sample.text}, {"tokens", sample.tokens}, {"logprobs", std::move(logprobs)}};
}

// In quotes, on one line, in UTF-8.
std::string Quoted(const std::string& bytes) {
  return json(bytes).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string TokenWithShare(const TokenLogprob& one) {
  return fmt::format("{} {:.1f}%", Quoted(one.bytes), 100 * std::exp(one.logprob));
}

void PrintSamples(const Answer& answer) {
  if (answer.client_ttft_ms == 0) return;  // none has a token
  for (size_t i = 0; i < answer.samples.size(); ++i) {
    fmt::print("{}--- sample {} ---\n{}\n", i == 0 ? "" : "\n", i, answer.samples[i].text);
  }
}

std::string LogprobsTable(const SampleAnswer& sample) {
  Table table({{"token"}, {"id", Align::kRight}, {"logprob", Align::kRight}, {"likeliest"}});
  for (const TokenLogprobs& token : sample.logprobs) {
    std::string likeliest;
    for (const TokenLogprob& one : token.top) {
      likeliest += (likeliest.empty() ? "" : "  ") + TokenWithShare(one);
    }
    table.AddRow({Quoted(token.chosen.bytes), std::to_string(token.chosen.id),
                  fmt::format("{:.4f}", token.chosen.logprob), likeliest});
  }
  return table.Render();
}

}  // namespace

json AnswerToJson(const Answer& answer) {
  json samples = json::array();
  for (const SampleAnswer& sample : answer.samples) samples.push_back(SampleToJson(sample));
  for (size_t i = 0; i < std::min(samples.size(), answer.usage.samples.size()); ++i) {
    samples[i]["finish"] = std::string(FinishReasonName(answer.usage.samples[i].finish));
  }
  return {{"request_id", answer.request_id.ToHex()},
          {"code", static_cast<int>(answer.status.code())},
          {"status", std::string(CodeName(answer.status.code()))},
          {"message", answer.status.message()},
          {"schema", answer.schema},
          {"version", answer.version},
          {"text", answer.text()},
          {"tokens", answer.tokens()},
          {"samples", std::move(samples)},
          {"client_ttft_ms", answer.client_ttft_ms},
          {"client_total_ms", answer.client_total_ms},
          {"usage", UsageToJson(answer.usage)}};
}

std::string RenderLogprobs(const Answer& answer) {
  std::string out;
  for (size_t i = 0; i < answer.samples.size(); ++i) {
    if (answer.samples[i].logprobs.empty()) continue;
    if (answer.samples.size() > 1) out += fmt::format("\nsample {}", i);
    out += "\n" + LogprobsTable(answer.samples[i]);
  }
  return out;
}

void AnswerOutput::AddTo(CLI::App& command) {
  command.add_flag("--json", json, "Print one JSON object when the answer is complete");
  command.add_flag("--quiet", quiet, "Print the answer only");
}

PartialCallback AnswerOutput::Stream(const GenerationOptions& options) const {
  if (json || options.samples > 1) return nullptr;
  return [](const Partial& partial) {
    fmt::print("{}", partial.text);
    std::fflush(stdout);
  };
}

int AnswerOutput::Finish(const Answer& answer) const {
  if (json) {
    fmt::print("{}\n",
               AnswerToJson(answer).dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return ExitCodeFor(answer.status);
  }
  if (answer.samples.size() > 1) {
    PrintSamples(answer);
  } else if (!answer.text().empty()) {
    fmt::print("\n");
  }
  if (!answer.status.ok()) return Fail(answer.status);
  if (quiet) return kExitOk;
  fmt::print(stderr, "{}", RenderLogprobs(answer));
  fmt::print(stderr, "\nrequest {}\n{}", answer.request_id.ToHex(), RenderUsage(answer.usage));
  return kExitOk;
}

}  // namespace promptcache

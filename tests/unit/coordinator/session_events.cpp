#include "tests/unit/coordinator/session_events.h"

#include <gtest/gtest.h>

#include "cluster/wire/codec.h"

namespace promptcache::testing {

RequestId IdOf(uint8_t n) {
  RequestId id;
  id.bytes.fill(n);
  return id;
}

RecipeDigest RecipeOf(uint8_t n) {
  RecipeDigest digest;
  digest.bytes.fill(n);
  return digest;
}

UnitKey KeyOf(const WorkerReady& worker, uint8_t recipe) {
  return MakeUnitKey(worker.identity.Digest(), 0, RecipeOf(recipe));
}

PlannedPrompt PlanOfUnit(uint8_t recipe) {
  PlannedPrompt planned{.schema = "s", .version = "v"};
  planned.plan.units = {{.digest = RecipeOf(recipe), .path = "s", .tokens = 8}};
  planned.plan.segments = {{.unit = 0, .rows = 8}};
  planned.plan.new_tokens.Append(1, 8);
  planned.plan.new_tokens.Append(2, 9);
  planned.plan.next_position = 10;
  return planned;
}

WorkerReady ReadyWorker(uint32_t slots) {
  return {.model = "toy", .device = "cpu", .identity = {.weights = "w"}, .slots = slots};
}

Envelope SubmitOf(const RequestId& id, uint64_t timeout_ms) {
  return {.request_id = id, .timeout_ms = timeout_ms, .body = Submit{.prompt = "p"}};
}

Envelope PartialOf(const RequestId& id, uint32_t seq, uint32_t attempt) {
  return {.request_id = id,
          .attempt = attempt,
          .body = Partial{.seq = seq, .tokens = {7}, .text = "t"}};
}

Envelope FinalOk(const RequestId& id, uint32_t attempt) {
  return {.request_id = id, .attempt = attempt, .body = Final{}};
}

Router CostRouter() { return {ParsePolicy("cost").value(), {}}; }

void Append(Actions& actions, Actions more) {
  std::move(more.begin(), more.end(), std::back_inserter(actions));
}

std::string BodyWords(const Envelope& envelope) {
  if (std::holds_alternative<Accepted>(envelope.body)) return "accepted";
  if (const auto* partial = std::get_if<Partial>(&envelope.body)) {
    return "partial " + std::to_string(partial->seq);
  }
  if (const auto* final = std::get_if<Final>(&envelope.body)) {
    return "final " + std::string(CodeName(final->code));
  }
  const std::string attempt = " attempt " + std::to_string(envelope.attempt);
  if (std::holds_alternative<Run>(envelope.body)) return "run" + attempt;
  if (std::holds_alternative<Cancel>(envelope.body)) return "cancel" + attempt;
  if (std::holds_alternative<ResidencyResync>(envelope.body)) return "resync";
  if (std::holds_alternative<RequestQuery>(envelope.body)) return "query" + attempt;
  if (const auto* adopt = std::get_if<Adopt>(&envelope.body)) {
    return "adopt" + attempt + " from " + std::to_string(adopt->delivered.parts);
  }
  return std::string(MessageName(envelope.body));
}

std::string Words(const Actions& actions) {
  std::string words;
  for (const Action& action : actions) {
    if (!words.empty()) words += "; ";
    if (std::holds_alternative<PlanAction>(action)) {
      words += "plan";
      continue;
    }
    const auto& send = std::get<SendAction>(action);
    words += (send.side == Side::kClient ? "client " : "worker ") + std::to_string(send.peer) +
             ": " + BodyWords(send.envelope);
  }
  return words;
}

Final FinalIn(const Actions& actions, PeerId client) {
  std::vector<Final> finals;
  for (const Action& action : actions) {
    const auto* send = std::get_if<SendAction>(&action);
    if (send == nullptr || send->side != Side::kClient || send->peer != client) continue;
    if (const auto* final = std::get_if<Final>(&send->envelope.body)) finals.push_back(*final);
  }
  EXPECT_EQ(finals.size(), 1u) << Words(actions);
  return finals.empty() ? Final{} : finals.front();
}

Run RunIn(const Actions& actions) {
  std::vector<Run> runs;
  for (const Action& action : actions) {
    const auto* send = std::get_if<SendAction>(&action);
    if (send == nullptr) continue;
    if (const auto* run = std::get_if<Run>(&send->envelope.body)) runs.push_back(*run);
  }
  EXPECT_EQ(runs.size(), 1u) << Words(actions);
  return runs.empty() ? Run{} : runs.front();
}

PlanTicket TicketIn(const Actions& actions) {
  std::vector<PlanTicket> tickets;
  for (const Action& action : actions) {
    if (const auto* plan = std::get_if<PlanAction>(&action)) tickets.push_back(plan->ticket);
  }
  EXPECT_EQ(tickets.size(), 1u) << Words(actions);
  return tickets.empty() ? PlanTicket{} : tickets.front();
}

}  // namespace promptcache::testing

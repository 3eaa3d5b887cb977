#include "tests/chaos/sim_client.h"

#include <algorithm>
#include <cstring>

namespace promptcache::chaos {
namespace {

constexpr milliseconds kTick{100};
constexpr milliseconds kReach{1'500};
constexpr milliseconds kLatest{1'000};  // after the deadline

}  // namespace

SimClient::SimClient(NodeId id, std::vector<NodeId> coordinators, EventQueue& events, Dice& dice,
                     SimNetwork& network)
    : id_(id),
      coordinators_(std::move(coordinators)),
      events_(events),
      dice_(dice),
      network_(network),
      table_(kReach),
      next_(id % coordinators_.size()),
      unlinked_since_(events.now()) {
  network_.Add(id_, this);
  Connect();
  Tick();
}

void SimClient::Connect() {
  const NodeId to = coordinators_[next_++ % coordinators_.size()];
  network_.Connect(id_, to, [this, to](std::optional<LinkNumber> link) {
    if (!link) {
      Do(table_.LinkDown(Unavailable("nobody answers"), events_.now()));
      return events_.After(dice_.Within(milliseconds(10), milliseconds(100)),
                           [this] { Connect(); });
    }
    link_ = *link;
    Do(table_.LinkUp(link_, "coordinator-" + std::to_string(to), events_.now()));
  });
}

void SimClient::LinkLost(LinkNumber link) {
  if (link != link_) return;
  link_ = 0;
  unlinked_since_ = events_.now();
  Do(table_.LinkDown(Unavailable("lost"), events_.now()));
  Connect();
}

void SimClient::Tick() {
  Do(table_.Tick(events_.now()));
  events_.After(kTick, [this] { Tick(); });
}

void SimClient::Submit(uint32_t prompt, milliseconds deadline) {
  RequestId id;
  const uint32_t number = ++last_request_;
  std::memcpy(id.bytes.data(), &number, sizeof(number));
  id.bytes[8] = static_cast<uint8_t>(id_);
  id.bytes[15] = 1;
  open_[id] = {.prompt = prompt, .submitted = events_.now(), .deadline = events_.now() + deadline};
  ++counts_.submitted;
  promptcache::Submit submit{.prompt = std::to_string(prompt)};
  submit.options.max_new_tokens = LengthOf(prompt);
  submit.options.seed = prompt;
  Do(table_.Start(id, submit, {.deadline = deadline, .trace = TraceOf(id)}, events_.now()));
  if (!dice_.OneIn(network_.faults().cancel)) return;
  events_.After(dice_.Within(milliseconds(0), deadline), [this, id] { Cancel(id); });
}

void SimClient::Cancel(const RequestId& id) {
  const auto found = open_.find(id);
  if (found == open_.end()) return;
  found->second.cancelled = true;
  ++counts_.cancelled;
  Do(table_.Cancel(id, events_.now()));
}

void SimClient::Note(const Envelope& envelope) {
  const auto found = open_.find(envelope.request_id);
  if (found == open_.end()) return;
  Open& open = found->second;
  if (const auto* partial = std::get_if<Partial>(&envelope.body)) {
    if (partial->seq > open.parts) ++open.gaps;
  } else if (const auto* final = std::get_if<Final>(&envelope.body)) {
    open.said = final->code;
    if (final->code == Code::kOk && final->usage.generated_tokens > open.tokens.size()) ++open.gaps;
  }
}

void SimClient::Receive(LinkNumber link, Envelope envelope) {
  if (link == link_) Note(envelope);
  Do(table_.Received(link, std::move(envelope), events_.now()));
}

void SimClient::Do(const ClientActions& actions) {
  for (const ClientAction& action : actions) {
    if (const auto* send = std::get_if<ClientSend>(&action)) {
      if (link_ != 0 && network_.Send(link_, id_, send->envelope)) {
        const auto open = open_.find(send->envelope.request_id);
        if (open != open_.end()) open->second.sent_again = send->envelope.attempt > 0;
        continue;
      }
      Do(table_.SendFailed(send->envelope, Unavailable("no link"), events_.now()));
    } else if (const auto* part = std::get_if<ClientPart>(&action)) {
      Part(*part);
    } else if (const auto* end = std::get_if<ClientEnd>(&action)) {
      End(end->answer);
    } else if (link_ != 0) {
      network_.Close(std::exchange(link_, 0), id_);
      unlinked_since_ = events_.now();
      Connect();
    }
  }
}

void SimClient::Part(const ClientPart& part) {
  const auto found = open_.find(part.request);
  if (found == open_.end()) return Fault(part.request, "a part of no open request");
  Open& open = found->second;
  if (part.partial.seq != open.parts++) Fault(part.request, "parts with a gap or repeated");
  const auto& tokens = part.partial.tokens;
  open.tokens.insert(open.tokens.end(), tokens.begin(), tokens.end());
  const auto right = AnswerOf(open.prompt);
  const bool is_prefix = open.tokens.size() <= right.size() &&
                         std::equal(open.tokens.begin(), open.tokens.end(), right.begin());
  if (!is_prefix) Fault(part.request, "wrong tokens");
  open.text += part.partial.text;
  if (open.text != TextOf(open.tokens, right.size())) Fault(part.request, "wrong text");
}

void SimClient::End(const Answer& answer) {
  const auto found = open_.find(answer.request_id);
  if (found == open_.end()) return Fault(answer.request_id, "ended twice");
  const Open open = found->second;
  open_.erase(found);
  last_end_ = answer.status;
  if (events_.now() > open.deadline + kLatest) Fault(answer.request_id, "ended late");
  if (answer.tokens() != open.tokens || answer.text() != open.text) {
    Fault(answer.request_id, "the answer is not what was shown");
  }
  if (!answer.status.ok()) {
    ++counts_.failed[answer.status.code()];
    if (IsExplained(answer.status.code(), open)) return;
    return Fault(answer.request_id, "no trouble explains: " + answer.status.ToString());
  }
  ++counts_.ok;
  if (open.sent_again) ++counts_.continued;
  if (open.tokens != AnswerOf(open.prompt)) Fault(answer.request_id, "ok, but not complete");
}

bool SimClient::IsExplained(Code code, const Open& open) const {
  const SteadyTime now = events_.now();
  switch (code) {
    case Code::kDeadlineExceeded:
      return now >= open.deadline;
    // No coordinator, a word of one, or parts that were lost too often. A lost link is no reason.
    case Code::kUnavailable:
      return open.said == code || open.gaps > kMaxGaps ||
             (link_ == 0 && now - std::max(open.submitted, unlinked_since_) >= kReach);
    case Code::kBusy:
      return open.said == code;
    case Code::kDataLoss:
      return open.said == code && network_.loses_messages();
    case Code::kCancelled:
      return open.cancelled;
    default:
      return false;
  }
}

void SimClient::Fault(const RequestId& id, const std::string& what) {
  faults_.push_back("request " + id.ToHex() + ": " + what);
}

}  // namespace promptcache::chaos

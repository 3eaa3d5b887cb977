#include "tests/chaos/sim_client.h"

#include <algorithm>
#include <cstring>

namespace promptcache::chaos {
namespace {

constexpr milliseconds kTick{100};
constexpr milliseconds kLatest{1'000};  // after the deadline

}  // namespace

SimClient::SimClient(NodeId id, std::vector<NodeId> coordinators, EventQueue& events, Dice& dice,
                     SimNetwork& network)
    : id_(id),
      coordinators_(std::move(coordinators)),
      events_(events),
      dice_(dice),
      network_(network),
      next_(id % coordinators_.size()) {
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
  open_[id] = {.prompt = prompt, .deadline = events_.now() + deadline};
  ++counts_.submitted;
  promptcache::Submit submit{.prompt = std::to_string(prompt)};
  submit.options.max_new_tokens = LengthOf(prompt);
  submit.options.seed = prompt;
  Do(table_.Start(id, submit, {.deadline = deadline, .trace = TraceOf(id)}, events_.now()));
  if (!dice_.OneIn(network_.faults().cancel)) return;
  events_.After(dice_.Within(milliseconds(0), deadline),
                [this, id] { Do(table_.Cancel(id, events_.now())); });
}

void SimClient::Receive(LinkNumber link, Envelope envelope) {
  Do(table_.Received(link, std::move(envelope), events_.now()));
}

void SimClient::Do(const ClientActions& actions) {
  for (const ClientAction& action : actions) {
    if (const auto* send = std::get_if<ClientSend>(&action)) {
      if (link_ != 0 && network_.Send(link_, id_, send->envelope)) continue;
      Do(table_.SendFailed(send->envelope, Unavailable("no link"), events_.now()));
    } else if (const auto* part = std::get_if<ClientPart>(&action)) {
      Part(*part);
    } else if (const auto* end = std::get_if<ClientEnd>(&action)) {
      End(end->answer);
    } else if (link_ != 0) {
      network_.Close(std::exchange(link_, 0), id_);
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
}

void SimClient::End(const Answer& answer) {
  const auto found = open_.find(answer.request_id);
  if (found == open_.end()) return Fault(answer.request_id, "ended twice");
  const Open open = found->second;
  open_.erase(found);
  if (events_.now() > open.deadline + kLatest) Fault(answer.request_id, "ended late");
  if (answer.tokens() != open.tokens) {
    Fault(answer.request_id, "the answer is not what was shown");
  }
  if (!answer.status.ok()) {
    ++counts_.failed[answer.status.code()];
    return;
  }
  ++counts_.ok;
  if (open.tokens != AnswerOf(open.prompt)) Fault(answer.request_id, "ok, but not complete");
}

void SimClient::Fault(const RequestId& id, const std::string& what) {
  faults_.push_back("request " + id.ToHex() + ": " + what);
}

}  // namespace promptcache::chaos

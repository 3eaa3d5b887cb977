#include "worker/requests/request_log.h"

#include <algorithm>
#include <utility>

namespace promptcache {
namespace {

constexpr uint64_t kRequestBytes = 512;  // about what one takes beside its parts

uint64_t BytesOf(const TokenLogprob& one) { return sizeof(one) + one.bytes.size(); }

uint64_t BytesOf(const Partial& part) {
  uint64_t bytes = sizeof(part) + part.tokens.size() * sizeof(TokenId) + part.text.size();
  for (const TokenLogprobs& token : part.logprobs) {
    bytes += sizeof(token) + BytesOf(token.chosen);
    for (const TokenLogprob& one : token.top) bytes += BytesOf(one);
  }
  return bytes;
}

uint64_t BytesOf(const Final& final) {
  uint64_t bytes = final.message.size() + final.usage.samples.size() * sizeof(SampleUsage);
  for (const UnitUsage& unit : final.usage.units) {
    bytes += sizeof(unit) + unit.path.size() + unit.miss_reason.size();
  }
  return bytes;
}

using SampleTokens = std::vector<std::vector<TokenId>>;

size_t CountOf(const SampleTokens& samples) {
  size_t count = 0;
  for (const std::vector<TokenId>& tokens : samples) count += tokens.size();
  return count;
}

void Append(SampleTokens& samples, const Partial& part) {
  if (samples.size() <= part.sample) samples.resize(part.sample + 1);
  auto& tokens = samples[part.sample];
  tokens.insert(tokens.end(), part.tokens.begin(), part.tokens.end());
}

// Samples without tokens may be left out.
bool SameTokens(const SampleTokens& a, const SampleTokens& b) {
  const std::vector<TokenId> none;
  for (size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    if ((i < a.size() ? a[i] : none) != (i < b.size() ? b[i] : none)) return false;
  }
  return true;
}

}  // namespace

Outgoing MessageTo(const RequestOwner& owner, const RequestId& id, Message body) {
  return {
      owner.coordinator,
      {.request_id = id, .attempt = owner.attempt, .trace = owner.trace, .body = std::move(body)}};
}

// ---- runs ----

Result<RequestLog::Begun> RequestLog::Begin(const RequestId& id, const RequestOwner& owner,
                                            Delivered delivered) {
  Begun begun{.run = {id, ++last_run_}};
  if (const auto found = requests_.find(id); found != requests_.end()) {
    const Request& known = found->second;
    if (known.owner == owner && known.end_number == 0) {
      return AlreadyExists("this attempt of the request has begun");
    }
    if (owner.attempt <= known.attempt) {
      return FailedPrecondition("attempt " + std::to_string(known.attempt) +
                                " of the request is known here; this is attempt " +
                                std::to_string(owner.attempt));
    }
    begun.replaced = known.running();
    begun.farewell = Farewell(id, known, owner.coordinator);
    Erase(found);
  }
  Request& request = requests_[id];
  request.run = begun.run.number;
  request.attempt = owner.attempt;
  request.owner = owner;
  request.before = std::move(delivered);
  request.next_sent = request.first_part();
  Charge(request, kRequestBytes + CountOf(request.before.samples) * sizeof(TokenId));
  Shrink(request);
  return begun;
}

void RequestLog::Part(const RequestRun& run, Partial part) {
  Request* const request = FindRunning(run);
  if (request == nullptr) return;
  part.seq = request->next_part();
  Charge(*request, BytesOf(part));
  request->parts.push_back(std::move(part));
  Shrink(*request);
}

void RequestLog::End(const RequestRun& run, Final final, SteadyTime now) {
  Request* const request = FindRunning(run);
  if (request == nullptr) return;
  Charge(*request, BytesOf(final));
  request->final = std::move(final);
  request->ended = now;
  orphans_.erase(run.id);
  if (!request->owner) MayLeave(run.id, *request);
  Shrink(*request);
}

std::optional<RequestOwner> RequestLog::Forget(const RequestRun& run) {
  const auto found = requests_.find(run.id);
  if (found == requests_.end() || found->second.run != run.number) return std::nullopt;
  const std::optional<RequestOwner> owner = found->second.owner;
  Erase(found);
  return owner;
}

bool RequestLog::Cancel(const RequestId& id, uint32_t attempt) {
  const auto found = requests_.find(id);
  if (found == requests_.end() || attempt < found->second.attempt) return false;
  found->second.attempt = attempt;
  return found->second.running();
}

RequestLog::Request* RequestLog::FindRunning(const RequestRun& run) {
  const auto found = requests_.find(run.id);
  if (found == requests_.end()) return nullptr;
  Request& request = found->second;
  return request.run == run.number && request.running() ? &request : nullptr;
}

// ---- what its owner hears ----

std::optional<Outgoing> RequestLog::Next(const RequestId& id) const {
  const auto found = requests_.find(id);
  if (found == requests_.end() || !found->second.owner) return std::nullopt;
  const Request& request = found->second;
  if (request.next_sent < request.first_part()) {
    return MessageTo(
        *request.owner, id,
        Final{.code = Code::kDataLoss,
              .message = "parts of the answer were dropped before they could be sent"});
  }
  if (request.next_sent < request.next_part()) {
    Partial part = request.parts[request.next_sent - request.first_part()];
    part.seq += request.renumbered;
    return MessageTo(*request.owner, id, std::move(part));
  }
  if (request.running() || request.end_number != 0) return std::nullopt;
  return MessageTo(*request.owner, id, *request.final);
}

void RequestLog::Sent(const RequestId& id, SteadyTime now) {
  Request& request = requests_.at(id);
  if (request.next_sent < request.first_part()) return Disown(id, request, now);
  if (request.next_sent == request.next_part()) return MayLeave(id, request);
  ++request.next_sent;
}

// ---- other coordinators ----

RequestState RequestLog::Query(const RequestId& id) const {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return {};
  const Request& request = found->second;
  return {.phase = request.running() ? RequestPhase::kRunning : RequestPhase::kEnded,
          .attempt = request.attempt,
          .parts = request.next_part()};
}

std::optional<Outgoing> RequestLog::Farewell(const RequestId& id, const Request& request,
                                             uint32_t new_coordinator) {
  const bool hears_more = request.owner && request.end_number == 0;
  if (!hears_more || request.owner->coordinator == new_coordinator) return std::nullopt;
  return MessageTo(*request.owner, id,
                   Final{.code = Code::kFailedPrecondition,
                         .message = "another coordinator has taken the request over"});
}

Result<std::optional<Outgoing>> RequestLog::Adopt(const RequestId& id, const RequestOwner& owner,
                                                  const Delivered& delivered) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return NotFound("the request is not known here");
  Request& request = found->second;
  if (owner.attempt < request.attempt) {
    return FailedPrecondition("attempt " + std::to_string(request.attempt) +
                              " of the request is known here");
  }
  const std::optional<uint32_t> next = request.PartBehind(delivered.samples);
  if (!next) return NotFound("no part of the answer here goes on behind what was delivered");
  std::optional<Outgoing> farewell = Farewell(id, request, owner.coordinator);
  request.attempt = owner.attempt;
  request.owner = owner;
  request.next_sent = *next;
  request.renumbered = delivered.parts - *next;
  ended_.erase(std::exchange(request.end_number, 0));
  orphans_.erase(id);
  return farewell;
}

// Every part has a token, so at most one is as far as these.
std::optional<uint32_t> RequestLog::Request::PartBehind(const SampleTokens& tokens) const {
  SampleTokens have = before.samples;
  size_t count = CountOf(have);
  const size_t wanted = CountOf(tokens);
  uint32_t part = first_part();
  while (count < wanted && part != next_part()) {
    const Partial& one = parts[part++ - first_part()];
    Append(have, one);
    count += one.tokens.size();
  }
  if (!SameTokens(have, tokens)) return std::nullopt;
  return part;
}

size_t RequestLog::CoordinatorLost(uint32_t coordinator, SteadyTime now) {
  const size_t before = orphans_.size();
  std::map<uint64_t, Requests::iterator> lost;  // by run: in order, for results that repeat
  for (auto one = requests_.begin(); one != requests_.end(); ++one) {
    const auto& owner = one->second.owner;
    if (owner && owner->coordinator == coordinator) lost.emplace(one->second.run, one);
  }
  for (const auto& [run, one] : lost) Disown(one->first, one->second, now);
  return orphans_.size() - before;
}

std::vector<RequestId> RequestLog::Expire(SteadyTime now) {
  while (!ended_.empty()) {
    const auto oldest = requests_.find(ended_.begin()->second);
    if (now - oldest->second.ended < limits_.keep) break;
    Erase(oldest);
  }
  std::vector<RequestId> given_up;
  for (const auto& [id, since] : orphans_) {
    if (now - since >= limits_.orphan) given_up.push_back(id);
  }
  for (const RequestId& id : given_up) Erase(requests_.find(id));
  return given_up;
}

// ---- memory ----

void RequestLog::Disown(const RequestId& id, Request& request, SteadyTime now) {
  request.owner.reset();
  if (request.running()) {
    orphans_.emplace(id, now);
  } else {
    MayLeave(id, request);
  }
}

void RequestLog::MayLeave(const RequestId& id, Request& request) {
  if (request.end_number != 0) return;
  request.end_number = ++last_end_;
  ended_.emplace(request.end_number, id);
}

void RequestLog::Erase(Requests::iterator request) {
  bytes_ -= request->second.bytes;
  ended_.erase(request->second.end_number);
  orphans_.erase(request->first);
  requests_.erase(request);
}

void RequestLog::Charge(Request& request, uint64_t bytes) {
  request.bytes += bytes;
  bytes_ += bytes;
}

void RequestLog::Shrink(Request& growing) {
  const auto exceeded = [&] {
    return bytes_ > limits_.bytes || requests_.size() > limits_.requests;
  };
  while (exceeded() && !ended_.empty()) {
    const auto oldest = requests_.find(ended_.begin()->second);
    if (&oldest->second == &growing) break;
    Erase(oldest);
  }
  while (bytes_ > limits_.bytes && !growing.parts.empty()) {
    const Partial& oldest = growing.parts.front();
    const uint64_t freed = BytesOf(oldest) - oldest.tokens.size() * sizeof(TokenId);
    growing.bytes -= freed;
    bytes_ -= freed;
    Append(growing.before.samples, oldest);
    ++growing.before.parts;
    growing.parts.pop_front();
  }
}

}  // namespace promptcache

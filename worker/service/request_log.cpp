#include "worker/service/request_log.h"

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

Outgoing To(const RequestOwner& owner, const RequestId& id, Message body) {
  return {owner.coordinator,
          {.request_id = id, .attempt = owner.attempt, .body = std::move(body)}};
}

}  // namespace

RequestLog::Request* RequestLog::FindRunning(const RequestRun& run) {
  const auto found = requests_.find(run.id);
  if (found == requests_.end()) return nullptr;
  Request& request = found->second;
  return request.run == run.number && request.running() ? &request : nullptr;
}

std::optional<Outgoing> RequestLog::Farewell(const RequestId& id, const Request& request,
                                             uint32_t new_coordinator) const {
  if (!request.running() || !request.owner) return std::nullopt;
  if (request.owner->coordinator == new_coordinator) return std::nullopt;
  return To(*request.owner, id,
            Final{.code = Code::kCancelled,
                  .message = "another coordinator has taken the request over"});
}

Result<RequestLog::Begun> RequestLog::Begin(const RequestId& id, const RequestOwner& owner,
                                            uint32_t first_part) {
  Begun begun{.run = {id, ++last_run_}};
  if (const auto found = requests_.find(id); found != requests_.end()) {
    const Request& known = found->second;
    if (known.owner == owner) return AlreadyExists("this attempt of the request has begun");
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
  request.first_part = first_part;
  Charge(request, kRequestBytes);
  Shrink(request);
  return begun;
}

std::optional<Outgoing> RequestLog::Part(const RequestRun& run, Partial part) {
  Request* const request = FindRunning(run);
  if (request == nullptr) return std::nullopt;
  part.seq = request->next_part();
  std::optional<Outgoing> message;
  if (request->owner) message = To(*request->owner, run.id, part);
  Charge(*request, BytesOf(part));
  request->parts.push_back(std::move(part));
  Shrink(*request);
  return message;
}

std::optional<Outgoing> RequestLog::End(const RequestRun& run, Final final, SteadyTime now) {
  Request* const request = FindRunning(run);
  if (request == nullptr) return std::nullopt;
  std::optional<Outgoing> message;
  if (request->owner) message = To(*request->owner, run.id, final);
  Charge(*request, BytesOf(final));
  Shrink(*request);
  request->final = std::move(final);
  request->ended = now;
  request->end_number = ++last_end_;
  ended_.emplace(request->end_number, run.id);
  orphans_.erase(run.id);
  return message;
}

void RequestLog::Forget(const RequestId& id) {
  if (const auto found = requests_.find(id); found != requests_.end()) Erase(found);
}

RequestState RequestLog::Query(const RequestId& id) const {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return {};
  const Request& request = found->second;
  return {.phase = request.running() ? RequestPhase::kRunning : RequestPhase::kEnded,
          .attempt = request.attempt,
          .parts = request.next_part()};
}

std::vector<Outgoing> RequestLog::Adopt(const RequestId& id, const RequestOwner& owner,
                                        uint32_t first_part) {
  const auto refused = [&](const Status& status) {
    return std::vector{To(owner, id, Final{.code = status.code(), .message = status.message()})};
  };
  const auto found = requests_.find(id);
  if (found == requests_.end()) return refused(NotFound("the request is not known here"));
  Request& request = found->second;
  if (owner.attempt < request.attempt) {
    return refused(FailedPrecondition("attempt " + std::to_string(request.attempt) +
                                      " of the request is known here"));
  }
  if (first_part < request.first_part || first_part > request.next_part()) {
    return refused(NotFound("of the answer, parts " + std::to_string(request.first_part) + " to " +
                            std::to_string(request.next_part()) + " are here"));
  }
  std::vector<Outgoing> messages;
  if (auto farewell = Farewell(id, request, owner.coordinator)) {
    messages.push_back(*std::move(farewell));
  }
  request.attempt = owner.attempt;
  request.owner = owner;
  orphans_.erase(id);
  for (uint32_t seq = first_part; seq < request.next_part(); ++seq) {
    messages.push_back(To(owner, id, request.parts[seq - request.first_part]));
  }
  if (request.final) messages.push_back(To(owner, id, *request.final));
  return messages;
}

bool RequestLog::Cancel(const RequestId& id, uint32_t attempt) {
  const auto found = requests_.find(id);
  if (found == requests_.end() || attempt < found->second.attempt) return false;
  found->second.attempt = attempt;
  return found->second.running();
}

void RequestLog::CoordinatorLost(uint32_t coordinator, SteadyTime now) {
  for (auto& [id, request] : requests_) {
    if (!request.owner || request.owner->coordinator != coordinator) continue;
    request.owner.reset();
    if (request.running()) orphans_.emplace(id, now);
  }
}

std::vector<RequestId> RequestLog::Expire(SteadyTime now) {
  while (!ended_.empty()) {
    const auto oldest = requests_.find(ended_.begin()->second);
    if (now - oldest->second.ended < limits_.keep) break;
    Erase(oldest);
  }
  std::vector<RequestId> stopped;
  for (const auto& [id, since] : orphans_) {
    if (now - since >= limits_.orphan) stopped.push_back(id);
  }
  for (const RequestId& id : stopped) Forget(id);
  return stopped;
}

// ---- memory ----

void RequestLog::Charge(Request& request, uint64_t bytes) {
  request.bytes += bytes;
  bytes_ += bytes;
}

void RequestLog::Erase(Requests::iterator request) {
  bytes_ -= request->second.bytes;
  ended_.erase(request->second.end_number);
  orphans_.erase(request->first);
  requests_.erase(request);
}

void RequestLog::Shrink(Request& growing) {
  const auto exceeded = [&] {
    return bytes_ > limits_.bytes || requests_.size() > limits_.requests;
  };
  while (exceeded() && !ended_.empty()) Erase(requests_.find(ended_.begin()->second));
  while (bytes_ > limits_.bytes && !growing.parts.empty()) {
    const uint64_t freed = BytesOf(growing.parts.front());
    growing.bytes -= freed;
    bytes_ -= freed;
    growing.parts.pop_front();
    ++growing.first_part;
  }
}

}  // namespace promptcache

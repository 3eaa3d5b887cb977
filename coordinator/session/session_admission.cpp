// Who is let in.
#include <string>

#include "coordinator/session/session.h"

namespace promptcache {
namespace {

constexpr size_t kMaxTried = 64;
constexpr size_t kMaxTriedBytes = 1024;
constexpr size_t kMaxVersionBytes = 64;
constexpr size_t kMaxModelBytes = 256;

// What of an answer can have been delivered; every part has a token.
Status CheckSentAgain(const Submit& submit) {
  const Delivered& delivered = submit.delivered;
  if (delivered.samples.size() > submit.options.samples) {
    return InvalidArgument("more samples were delivered than asked for");
  }
  size_t tokens = 0;
  for (const std::vector<TokenId>& sample : delivered.samples) {
    tokens += sample.size();
    if (sample.size() > submit.options.max_new_tokens) {
      return InvalidArgument("more tokens of a sample were delivered than asked for");
    }
  }
  if (delivered.parts > tokens) return InvalidArgument("more parts were delivered than tokens");
  if (submit.version.size() > kMaxVersionBytes) {
    return InvalidArgument("a version of more than " + std::to_string(kMaxVersionBytes) + " bytes");
  }
  size_t bytes = 0;
  for (const std::string& endpoint : submit.tried) bytes += endpoint.size();
  if (submit.tried.size() > kMaxTried || bytes > kMaxTried * kMaxTriedBytes) {
    return InvalidArgument("more than " + std::to_string(kMaxTried) + " coordinators were tried");
  }
  return {};
}

}  // namespace

Status SessionTable::Admit(const RequestId& id, const Envelope& envelope) const {
  if (envelope.request_id.is_zero()) return InvalidArgument("a request without an id");
  if (requests_.contains(id) || warmups_.contains(id)) {
    return AlreadyExists("another client's request with this id is running");
  }
  const auto& submit = std::get<Submit>(envelope.body);
  // What another coordinator had accepted is not turned away as long as there is any room.
  const size_t limit = size_t{limits_.max_active_requests} * (submit.tried.empty() ? 1 : 2);
  if (requests_.size() >= limit) {
    return Busy(std::to_string(requests_.size()) +
                " requests are active, the limit of this coordinator; try again later");
  }
  if (submit.model.size() > kMaxModelBytes) {
    return InvalidArgument("a model's name of more than " + std::to_string(kMaxModelBytes) +
                           " bytes");
  }
  PC_RETURN_IF_ERROR(submit.options.Validate());
  PC_RETURN_IF_ERROR(CheckSentAgain(submit));
  return workers_.CheckSlots(submit.options);
}

Status SessionTable::AdmitTenant(const Submitter& client, const Submit& submit) {
  const size_t held = active(client.tenant);
  const auto over = [&](const std::string& why) {
    ++counters_.over_limit;
    return Busy(std::to_string(held) + " requests of the tenant '" + client.tenant +
                "' are active, " + why + "; try again later");
  };
  const bool is_new = submit.tried.empty();
  const uint64_t limit = limits_.tenants.Of(client.tenant).requests;
  if (limit != TenantLimit::kNone && held >= limit * (is_new ? 1 : 2)) {
    return over("its limit is " + std::to_string(limit));
  }
  // On links without keys there are no tenants to leave room for.
  const bool has_others = !client.key.empty() || !client.tenant.empty();
  if (is_new && has_others && held >= limits_.max_active_requests - requests_.size()) {
    return over("as many as it leaves free for others");
  }
  return {};
}

}  // namespace promptcache

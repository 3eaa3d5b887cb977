#include "coordinator/routing/waiting_queue.h"

#include <algorithm>
#include <utility>

namespace promptcache {
namespace {

constexpr size_t kMaxTries = 48;   // requests of a tenant
constexpr size_t kMaxTenants = 8;  // of a class, whose turn comes first

}  // namespace

Status WaitingQueue::Add(WaitingRequest request) {
  if (places_.contains(request.id)) return AlreadyExists("the request waits already");
  if (places_.size() >= max_requests_) {
    return Busy("all workers are busy and " + std::to_string(max_requests_) +
                " requests wait already; send it again later");
  }
  const Place place{.in_background = request.priority == 0,
                    .behind = -int32_t{request.priority},
                    .deadline = request.deadline,
                    .arrival = arrivals_++};
  places_[request.id] = {.tenant = request.tenant, .place = place};
  Level& level = levels_[place.in_background];
  const auto [tenant, is_new] = level.tenants.try_emplace(request.tenant);
  if (is_new) tenant->second.given_s = level.start_s;
  ++level.waiting;
  level.work_s += request.work_s;
  tenant->second.work_s += request.work_s;
  tenant->second.requests.emplace(place, std::move(request));
  return {};
}

std::optional<WaitingRequest> WaitingQueue::Take(const CanGo& can_go) {
  for (auto& [in_background, level] : levels_) {
    const std::optional<RequestId> next = Next(level, can_go);
    if (!next) continue;
    const Address& address = places_.at(*next);
    Tenant& tenant = level.tenants.at(address.tenant);
    level.start_s = std::max(level.start_s, tenant.given_s);
    tenant.given_s += tenant.requests.at(address.place).work_s;
    return Remove(*next);
  }
  return std::nullopt;
}

std::optional<RequestId> WaitingQueue::Next(const Level& level, const CanGo& can_go) {
  std::vector<std::pair<double, const Tenant*>> turns;
  for (const auto& [name, tenant] : level.tenants) turns.emplace_back(tenant.given_s, &tenant);
  std::stable_sort(turns.begin(), turns.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  if (turns.size() > kMaxTenants) turns.resize(kMaxTenants);
  for (const auto& [given_s, tenant] : turns) {
    size_t tries = kMaxTries;
    for (const auto& [place, request] : tenant->requests) {
      if (tries-- == 0) break;  // others do not wait for those that cannot go
      if (can_go(request)) return request.id;
    }
  }
  return std::nullopt;
}

std::optional<WaitingRequest> WaitingQueue::Remove(const RequestId& id) {
  const auto address = places_.extract(id);
  if (address.empty()) return std::nullopt;
  const auto level = levels_.find(address.mapped().place.in_background);
  auto& tenants = level->second.tenants;
  Tenant& tenant = tenants.at(address.mapped().tenant);
  WaitingRequest request = std::move(tenant.requests.extract(address.mapped().place).mapped());
  // The last one takes with it what rounding has left.
  tenant.work_s = tenant.requests.empty() ? 0 : tenant.work_s - request.work_s;
  level->second.work_s -= request.work_s;
  if (--level->second.waiting == 0) {
    levels_.erase(level);
  } else {
    std::erase_if(tenants, [&](const auto& entry) {
      return entry.second.requests.empty() && entry.second.given_s <= level->second.start_s;
    });
  }
  return request;
}

double WaitingQueue::AheadOf(const std::string& tenant, uint16_t priority) const {
  double ahead_s = 0;
  for (const auto& [in_background, level] : levels_) {
    if (in_background == (priority == 0)) {
      ahead_s += AheadWithin(level, tenant);
    } else if (!in_background) {
      ahead_s += level.work_s;
    }
  }
  return ahead_s;
}

double WaitingQueue::AheadWithin(const Level& level, const std::string& tenant) {
  const auto own = level.tenants.find(tenant);
  const bool is_new = own == level.tenants.end();
  const double own_s = is_new ? 0 : own->second.work_s;
  // What the tenant will have been given when all of that has gone.
  const double turn_s = is_new ? level.start_s : own->second.given_s + own_s;
  double ahead_s = own_s;
  for (const auto& [name, other] : level.tenants) {
    if (name == tenant || other.requests.empty()) continue;
    ahead_s += std::clamp(turn_s - other.given_s, 0.0, std::max(0.0, other.work_s));
  }
  return ahead_s;
}

std::vector<WaitingRequest> WaitingQueue::TakeExpired(SteadyTime now) {
  std::vector<RequestId> late;
  for (const auto& [id, address] : places_) {
    if (address.place.deadline <= now) late.push_back(id);
  }
  std::vector<WaitingRequest> expired;
  for (const RequestId& id : late) expired.push_back(*Remove(id));
  return expired;
}

}  // namespace promptcache

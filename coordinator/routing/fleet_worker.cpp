#include "coordinator/routing/fleet_worker.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace promptcache {
namespace {

constexpr double kUnmeasuredTokensPerSecond = 1000;
constexpr double kCalibrationWeight = 0.05;  // of the newest request
constexpr double kMeanWeight = 0.02;         // the same
constexpr double kMinCalibration = 0.25;
constexpr double kMaxCalibration = 4;

// Of a report, once there were some: rates change slowly, measurements of them do not.
constexpr double kRateWeight = 0.1;

void NoteWork(double seconds, double& mean_s) {
  if (seconds <= 0) return;
  const double before_s = mean_s > 0 ? mean_s : seconds;
  mean_s = before_s + kMeanWeight * (seconds - before_s);
}

// A rate that was not known before is the new one.
double Averaged(double before, double now, double weight) {
  if (before <= 0 || now <= 0) return std::max(before, now);
  return before + weight * (now - before);
}

TierRate Averaged(const TierRate& before, const TierRate& now, double weight) {
  return {.fixed_s = Averaged(before.fixed_s, now.fixed_s, weight),
          .bytes_per_s = Averaged(before.bytes_per_s, now.bytes_per_s, weight)};
}

WorkerRates Averaged(const WorkerRates& before, const WorkerRates& now, double weight) {
  return {.prefill_tokens_per_s =
              Averaged(before.prefill_tokens_per_s, now.prefill_tokens_per_s, weight),
          .host = Averaged(before.host, now.host, weight),
          .disk = Averaged(before.disk, now.disk, weight),
          .remote = Averaged(before.remote, now.remote, weight)};
}

}  // namespace

double WorkerRates::TokenSeconds() const {
  return 1 / (prefill_tokens_per_s > 0 ? prefill_tokens_per_s : kUnmeasuredTokensPerSecond);
}

double WorkerRates::LoadSeconds(Source tier, double bytes) const {
  if (tier == Source::kDevice) return 0;
  const TierRate& rate = tier == Source::kHost ? host : tier == Source::kDisk ? disk : remote;
  if (rate.bytes_per_s <= 0) return std::numeric_limits<double>::infinity();
  return rate.fixed_s + bytes / rate.bytes_per_s;
}

RequestWork WorkerRates::UnitWork(Source tier, double bytes, double encode_s) const {
  const double load_s =
      tier == Source::kEncoded ? encode_s : std::min(LoadSeconds(tier, bytes), encode_s);
  if (load_s == encode_s) return {.compute_s = load_s};
  const bool to_host = tier != Source::kHost && host.bytes_per_s > 0;
  return {.load_s = load_s + (to_host ? LoadSeconds(Source::kHost, bytes) : 0)};
}

double WorkerRates::ReloadSeconds(double bytes) const {
  return std::min({LoadSeconds(Source::kHost, bytes), LoadSeconds(Source::kDisk, bytes),
                   LoadSeconds(Source::kRemote, bytes)});
}

FleetWorker::FleetWorker(WorkerProfile profile, uint32_t identity_index, SteadyTime joined)
    : profile_(std::move(profile)),
      identity_index_(identity_index),
      name_hash_(NameHash(profile_.name)),
      joined_(joined) {
  report_.rates = profile_.rates;
}

void FleetWorker::Report(const WorkerReport& report, SteadyTime measured) {
  const WorkerRates before = report_.rates;
  report_ = report;
  // The first ones and what it joined with weigh alike.
  const double weight = std::max(kRateWeight, 1.0 / (++reports_ + 1));
  report_.rates = Averaged(before, report.rates, weight);
  // One that is on its way there is not in the report, and makes up for one of another coordinator.
  others_ = report.requests - std::min(report.requests, requests());
  // It counts loads and computing one after the other.
  backlog_.Report(report.backlog_s - LoadBacklogSeconds(measured), measured);
}

void FleetWorker::SetTier(const UnitKey& unit, Source tier, size_t limit) {
  const auto found = units_.find(unit);
  if (found != units_.end()) {
    found->second.tier = tier;
    if (tier == Source::kEncoded && found->second.pending == 0) units_.erase(found);
  } else if (tier != Source::kEncoded && units_.size() < limit) {
    units_[unit].tier = tier;
  }
}

void FleetWorker::ForgetUnits() {
  std::erase_if(units_, [](const auto& entry) { return entry.second.pending == 0; });
  for (auto& [unit, held] : units_) held.tier = Source::kEncoded;
}

bool FleetWorker::HasSlots(uint32_t wanted) const {
  if (wanted > profile_.slots) return false;
  if (requests_.empty()) return true;
  const uint32_t left = profile_.slots - std::min(profile_.slots, others_);
  return uint64_t{assigned_} + wanted <= std::max(left, (profile_.slots + 3) / 4);
}

double FleetWorker::LoadBacklogSeconds(SteadyTime now) const {
  if (loads_end_ <= now) return 0;
  return std::min(unstarted_load_s_, std::chrono::duration<double>(loads_end_ - now).count());
}

bool FleetWorker::Assign(const RouteRequest& request, const RequestWork& work, SteadyTime now) {
  const auto [entry, inserted] =
      requests_.try_emplace(request.id, Assigned{.units = KeysOf(request),
                                                 .slots = request.slots,
                                                 .load_s = work.load_s,
                                                 .predicted_s = work.total_s() / calibration_});
  if (!inserted) return false;
  for (const UnitKey& unit : entry->second.units) {
    entry->second.cold = entry->second.cold || TierOf(unit) != Source::kDevice;
    ++units_[unit].pending;
  }
  cold_ += entry->second.cold;
  assigned_ += request.slots;
  ++unstarted_;
  NoteWork(work.load_s, mean_work_.load_s);
  NoteWork(work.compute_s, mean_work_.compute_s);
  backlog_.Give(request.id, work.compute_s, now);
  const std::chrono::duration<double> loads(LoadBacklogSeconds(now) + work.load_s);
  loads_end_ = now + std::chrono::duration_cast<SteadyTime::duration>(loads);
  unstarted_load_s_ += work.load_s;
  return true;
}

void FleetWorker::Started(const RequestId& request, SteadyTime at, size_t limit) {
  Assigned& assigned = requests_.at(request);
  if (std::exchange(assigned.started, true)) return;
  NoLongerUnstarted(assigned);
  backlog_.Remove(request, at);
  for (const UnitKey& unit : assigned.units) {
    if (units_.size() <= limit) units_[unit].tier = Source::kDevice;
  }
}

void FleetWorker::Measured(const RequestId& request, double work_s) {
  const double predicted_s = requests_.at(request).predicted_s;
  if (predicted_s <= 0) return;
  const double ratio = std::clamp(work_s / predicted_s, kMinCalibration, kMaxCalibration);
  calibration_ += kCalibrationWeight * (ratio - calibration_);
}

void FleetWorker::Ended(const RequestId& request, SteadyTime now) {
  const auto ended = requests_.extract(request);
  const Assigned& assigned = ended.mapped();
  for (const UnitKey& unit : assigned.units) {
    const auto held = units_.find(unit);
    if (--held->second.pending == 0 && held->second.tier == Source::kEncoded) units_.erase(held);
  }
  assigned_ -= assigned.slots;
  if (assigned.started) return;
  NoLongerUnstarted(assigned);
  backlog_.Remove(request, now);
}

void FleetWorker::NoLongerUnstarted(const Assigned& assigned) {
  cold_ -= assigned.cold;
  // The last one takes with it what rounding has left.
  unstarted_load_s_ = --unstarted_ == 0 ? 0 : unstarted_load_s_ - assigned.load_s;
}

void FleetWorker::Observe(SteadyTime now, double weight) {
  const double busy = BacklogSeconds(now) > 0 ? 1 : 0;
  busy_share_ += weight * (busy - busy_share_);
}

std::vector<RequestId> FleetWorker::Requests() const {
  std::vector<RequestId> ids;
  for (const auto& [id, assigned] : requests_) ids.push_back(id);
  return ids;
}

std::vector<RequestId> FleetWorker::Unstarted() const {
  std::vector<RequestId> ids;
  for (const auto& [id, assigned] : requests_) {
    if (!assigned.started) ids.push_back(id);
  }
  return ids;
}

Source FleetWorker::TierOf(const UnitKey& unit) const {
  const auto found = units_.find(unit);
  if (found == units_.end()) return Source::kEncoded;
  return found->second.pending > 0 ? Source::kDevice : found->second.tier;
}

}  // namespace promptcache

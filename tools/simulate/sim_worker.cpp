#include "tools/simulate/sim_worker.h"

#include <algorithm>
#include <utility>

namespace promptcache {
namespace {

constexpr uint32_t kEncodeChunk = 256;  // of UnitEncoder
constexpr size_t kStepRequests = 8;     // worker.slots, unless set

}  // namespace

void SimWorker::Take(uint32_t request) {
  const SimRequest& order = workload_->requests[request];
  Asked& asked = asked_[request];
  asked.work.seconds = order.new_tokens * model_->rates.TokenSeconds();
  for (const uint32_t unit : order.units) {
    Source from = Source::kDevice;
    if (tiers_.TierOf(unit) == Source::kDevice) {
      tiers_.ToDevice(unit);
    } else {
      const auto [found, is_new] = on_their_way_.try_emplace(unit);
      if (is_new) Get(unit, found->second, asked.work);
      found->second.waiting.push_back(request);
      ++asked.missing;
      from = found->second.from;
    }
    asked.work.unit_tokens[static_cast<size_t>(from)] += workload_->unit_tokens[unit];
  }
  asked.work.seconds *= slowdown_;
  if (asked.missing == 0) ready_.push_back(request);
}

Source SimWorker::WayOf(uint32_t unit) const {
  Source tier = tiers_.TierOf(unit);
  if (tier == Source::kEncoded && stored_->contains(unit)) tier = Source::kRemote;
  if (tier == Source::kEncoded) return tier;
  const double encode_s = workload_->unit_tokens[unit] * model_->rates.TokenSeconds();
  const double load_s = model_->rates.LoadSeconds(tier, static_cast<double>(tiers_.BytesOf(unit)));
  return load_s > encode_s ? Source::kEncoded : tier;
}

void SimWorker::Get(uint32_t unit, OnItsWay& on_its_way, Work& work) {
  on_its_way.from = WayOf(unit);
  if (on_its_way.from == Source::kEncoded) {
    const uint32_t tokens = workload_->unit_tokens[unit];
    to_encode_.push_back({.unit = unit, .tokens_left = tokens});
    work.seconds += tokens * model_->rates.TokenSeconds();
    return;
  }
  work.bytes += tiers_.BytesOf(unit);
  work.seconds +=
      model_->rates.LoadSeconds(on_its_way.from, static_cast<double>(tiers_.BytesOf(unit)));
  (on_its_way.from == Source::kHost ? to_copy_ : to_load_).push_back(unit);
}

double SimWorker::LoadSeconds(uint32_t unit) const {
  return model_->rates.LoadSeconds(on_their_way_.at(unit).from,
                                   static_cast<double>(tiers_.BytesOf(unit)));
}

double SimWorker::CopySeconds(uint32_t unit) const {
  return model_->rates.LoadSeconds(Source::kHost, static_cast<double>(tiers_.BytesOf(unit)));
}

std::optional<double> SimWorker::StartLoad(double now_s) {
  if (loading_ || to_load_.empty()) return std::nullopt;
  loading_ = true;
  return now_s + LoadSeconds(to_load_.front()) * slowdown_;
}

void SimWorker::EndLoad() {
  const uint32_t unit = to_load_.front();
  to_load_.pop_front();
  loading_ = false;
  if (HasHostMemory()) {
    to_copy_.push_back(unit);
  } else {
    Arrived(unit);
  }
}

std::optional<double> SimWorker::StartCopy(double now_s) {
  if (copying_ || to_copy_.empty()) return std::nullopt;
  copying_ = true;
  return now_s + CopySeconds(to_copy_.front()) * slowdown_;
}

void SimWorker::EndCopy() {
  const uint32_t unit = to_copy_.front();
  to_copy_.pop_front();
  copying_ = false;
  Arrived(unit);
}

std::optional<double> SimWorker::StartTurn(double now_s) {
  if (turn_ || (to_encode_.empty() && ready_.empty())) return std::nullopt;
  Turn turn;
  if (!to_encode_.empty()) {
    turn.encoded_tokens = std::min(kEncodeChunk, to_encode_.front().tokens_left);
  }
  uint32_t tokens = turn.encoded_tokens;
  while (!ready_.empty() && turn.computed.size() < kStepRequests) {
    turn.computed.push_back(ready_.front());
    ready_.pop_front();
    tokens += workload_->requests[turn.computed.back()].new_tokens;
  }
  const double seconds = tokens * model_->rates.TokenSeconds() * slowdown_;
  device_s_ += seconds;
  turn.until_s = now_s + seconds;
  turn_ = std::move(turn);
  return turn_->until_s;
}

std::vector<SimWorker::Answer> SimWorker::EndTurn() {
  const Turn turn = *std::exchange(turn_, std::nullopt);
  if (turn.encoded_tokens > 0) {
    Encode& encode = to_encode_.front();
    encode.tokens_left -= turn.encoded_tokens;
    if (encode.tokens_left == 0) {
      stored_->insert(encode.unit);
      Arrived(encode.unit);
      to_encode_.pop_front();
    }
  }
  std::vector<Answer> answers;
  for (const uint32_t request : turn.computed) {
    answers.push_back({.request = request, .work = asked_.extract(request).mapped().work});
    decoding_tokens_ += OwnTokens(request);
  }
  return answers;
}

void SimWorker::EndDecode(uint32_t request) { decoding_tokens_ -= OwnTokens(request); }

void SimWorker::Arrived(uint32_t unit) {
  tiers_.ToDevice(unit);
  const auto arrived = on_their_way_.extract(unit);
  for (const uint32_t request : arrived.mapped().waiting) {
    if (--asked_.at(request).missing == 0) ready_.push_back(request);
  }
}

uint32_t SimWorker::OwnTokens(uint32_t request) const {
  const SimRequest& order = workload_->requests[request];
  return order.new_tokens + order.output_tokens;
}

WorkerReport SimWorker::Report(double now_s) const {
  double seconds = turn_ ? std::max(0.0, turn_->until_s - now_s) : 0;
  for (const uint32_t unit : to_load_) seconds += LoadSeconds(unit);
  for (const uint32_t unit : to_copy_) seconds += CopySeconds(unit);
  uint64_t tokens = 0;
  for (const Encode& encode : to_encode_) tokens += encode.tokens_left;
  for (const auto& [request, asked] : asked_) tokens += workload_->requests[request].new_tokens;
  if (turn_) {
    tokens -= turn_->encoded_tokens;
    for (const uint32_t request : turn_->computed)
      tokens -= workload_->requests[request].new_tokens;
  }
  seconds += static_cast<double>(tokens) * model_->rates.TokenSeconds();
  return {
      .backlog_s = seconds,
      .device_fill = tiers_.device_fill(),
      .kv_use = static_cast<double>(decoding_tokens_) / static_cast<double>(model_->running_tokens),
      .rates = model_->rates};
}

}  // namespace promptcache

#include "tools/simulate/sim_worker.h"

#include <algorithm>
#include <utility>

namespace promptcache {
namespace {

uint64_t OwnTokens(const SimRequest& request) {
  return uint64_t{request.new_tokens} + request.output_tokens;
}

}  // namespace

void SimWorker::Enqueue(Queued queued) {
  queue_.push_back(queued);
  queued_s_ += queued.predicted_s;
}

std::optional<SimWorker::Running> SimWorker::StartNext(const Workload& workload,
                                                       std::unordered_set<uint32_t>& stored,
                                                       double now_s) {
  if (running_ || queue_.empty()) return std::nullopt;
  const Queued next = queue_.front();
  queue_.pop_front();
  queued_s_ = queue_.empty() ? 0 : queued_s_ - next.predicted_s;
  Work work = tiers_.Run(workload.requests[next.request], stored);
  work.seconds *= slowdown_;
  running_ = {.request = next.request, .work = work, .until_s = now_s + work.seconds};
  return running_;
}

SimWorker::Running SimWorker::FinishPrefill(const SimRequest& request) {
  decoding_tokens_ += OwnTokens(request);
  return *std::exchange(running_, std::nullopt);
}

void SimWorker::FinishDecode(const SimRequest& request) { decoding_tokens_ -= OwnTokens(request); }

WorkerReport SimWorker::Report(double now_s) const {
  const double rest_s = running_ ? std::max(0.0, running_->until_s - now_s) : 0;
  return {
      .backlog_s = rest_s + queued_s_,
      .device_fill = tiers_.device_fill(),
      .kv_use = static_cast<double>(decoding_tokens_) / static_cast<double>(model_->running_tokens),
      .rates = model_->rates};
}

}  // namespace promptcache

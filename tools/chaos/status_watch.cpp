#include "tools/chaos/status_watch.h"

#include <fmt/format.h>

#include "tools/chaos/load.h"

namespace promptcache::chaos {
namespace {

constexpr std::chrono::milliseconds kPause{200};

}  // namespace

Result<std::unique_ptr<StatusWatch>> StatusWatch::Start(const Topology& topology) {
  std::unique_ptr<StatusWatch> watch(new StatusWatch(topology));
  watch->last_.resize(topology.coordinators().size());
  for (const Node& node : topology.coordinators()) {
    PC_ASSIGN_OR_RETURN(
        auto client,
        ConnectAs("watch-" + node.name, {node.At(kClientPort).endpoint()}, topology.style()));
    watch->clients_.push_back(std::move(client));
  }
  for (size_t i = 0; i < watch->clients_.size(); ++i) {
    watch->threads_.emplace_back(
        [&watch = *watch, i](const std::stop_token& stop) { watch.Watch(i, stop); });
  }
  return watch;
}

void StatusWatch::Watch(size_t coordinator, const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto status = clients_[coordinator]->GetStatus();
    {
      const std::lock_guard lock(mutex_);
      last_[coordinator].reset();
      if (status.ok()) {
        last_[coordinator] = *status;
        resumed_[{topology_.coordinators()[coordinator].name, status->pid}] =
            status->requests_resumed;
      }
    }
    std::this_thread::sleep_for(kPause);
  }
}

uint64_t StatusWatch::resumed() const {
  const std::lock_guard lock(mutex_);
  uint64_t sum = 0;
  for (const auto& [process, count] : resumed_) sum += count;
  return sum;
}

std::string StatusWatch::UnrestOf(const StatusReply& status) const {
  if (!status.meta_available) return "does not reach the meta store";
  if (status.requests_active > 0) return fmt::format("{} requests active", status.requests_active);
  if (status.requests_waiting > 0) {
    return fmt::format("{} requests waiting", status.requests_waiting);
  }
  size_t live = 0;
  for (const WorkerStatus& worker : status.workers) {
    if (!worker.live) continue;
    ++live;
    if (worker.active + worker.queued + worker.assigned > 0) {
      return fmt::format("{} has {} requests active, {} queued, {} slots assigned", worker.name,
                         worker.active, worker.queued, worker.assigned);
    }
  }
  if (live == topology_.workers().size()) return "";
  return fmt::format("{} of {} workers live", live, topology_.workers().size());
}

std::string StatusWatch::Unrest() const {
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < last_.size(); ++i) {
    const std::string unrest = last_[i] ? UnrestOf(*last_[i]) : "does not answer";
    if (!unrest.empty()) return topology_.coordinators()[i].name + ": " + unrest;
  }
  return "";
}

}  // namespace promptcache::chaos

#include "cachestore/disk/maintainer.h"

#include "common/clock.h"
#include "common/log.h"

namespace promptcache::internal {

Maintainer::Maintainer(std::shared_ptr<DiskCore> core)
    : core_(std::move(core)), uses_saved_(SystemClock().Now()) {
  if (core_->options().maintain_every.count() == 0) return;
  if (core_->database()->mode() == OpenMode::kReadOnly) return;
  thread_ = std::jthread([this](const std::stop_token& stop) { Loop(stop); });
}

Maintainer::~Maintainer() {
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
  // What is lost when this fails makes units look as if they had been used a little less.
  if (core_->database()->mode() == OpenMode::kReadWrite) (void)core_->table().SaveUses();
}

void Maintainer::Loop(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any woken;
  std::unique_lock lock(mutex);
  while (!woken.wait_for(lock, stop, core_->options().maintain_every,
                         [&] { return stop.stop_requested(); })) {
    Maintain();
  }
}

void Maintainer::Maintain() {
  // A disk that is full, or has room again, is told once.
  const std::string read_only = core_->database()->CheckWritable().message();
  if (read_only != complained_) {
    if (read_only.empty()) {
      Log(LogLevel::kInfo, "store.writable", {{"directory", core_->database()->directory()}});
    } else if (complained_.empty()) {
      Log(LogLevel::kError, "store.read_only", {{"reason", read_only}});
    }
    complained_ = read_only;
  }
  had_no_room_ = had_no_room_ || !read_only.empty();
  if (!read_only.empty()) return;
  Status status = core_->table().CollectGarbage().status();
  if (status.ok()) status = SaveUsesIfDue();
  // Files that could not be deleted when their blob went, as on a disk that was full.
  if (status.ok() && had_no_room_) status = core_->DropOrphans().status();
  had_no_room_ = false;
  if (!status.ok()) Log(LogLevel::kWarning, "store.maintenance", {{"reason", status.message()}});
}

Status Maintainer::SaveUsesIfDue() {
  const SteadyTime now = SystemClock().Now();
  if (now - uses_saved_ < core_->options().save_uses_every) return {};
  uses_saved_ = now;
  return core_->table().SaveUses();
}

}  // namespace promptcache::internal

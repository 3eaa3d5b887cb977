#include "worker/engine/loader.h"

#include <utility>

namespace promptcache {

Loader::Loader(BlobStore& store, uint32_t threads) : store_(store) {
  for (uint32_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Serve(); });
}

Loader::~Loader() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
  threads_.clear();
}

void Loader::Load(UnitExpectation expected, LoadEvents events) {
  auto job = std::make_unique<Job>(store_, std::move(expected), std::move(events));
  {
    std::lock_guard lock(mutex_);
    new_.push_back(std::move(job));
  }
  changed_.notify_one();
}

void Loader::Serve() {
  while (JobPtr job = Next()) {
    const Progress progress = Advance(*job);
    std::lock_guard lock(mutex_);
    if (progress == Progress::kEnded) {
      --open_;
    } else {
      const size_t layers = job->layers;
      started_.emplace(layers, std::move(job));
    }
  }
}

// A thread that puts a job back takes one at once, so that nobody has to be woken for it.
Loader::JobPtr Loader::Next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return closed_ || !new_.empty() || !started_.empty(); });
  if (closed_) return nullptr;
  if (!new_.empty() && (open_ < kMostOpen || started_.empty())) {
    JobPtr job = std::move(new_.front());
    new_.pop_front();
    ++open_;
    return job;
  }
  JobPtr job = std::move(started_.begin()->second);
  started_.erase(started_.begin());
  return job;
}

Loader::Progress Loader::Advance(Job& job) {
  const bool is_new = job.unit == nullptr;
  const SteadyTime start = SystemClock().Now();
  const Result<bool> complete = Read(job);
  const SteadyTime now = SystemClock().Now();
  job.seconds += MillisecondsBetween(start, now) / 1000;
  if (!complete.ok()) {
    job.events.on_end({complete.status(), job.seconds, now});
    return Progress::kEnded;
  }
  if (is_new) job.events.on_start(job.unit);
  if (!*complete) return Progress::kGoesOn;
  job.events.on_end({job.unit, job.seconds, now});
  return Progress::kEnded;
}

Result<bool> Loader::Read(Job& job) {
  if (job.unit == nullptr) {
    PC_ASSIGN_OR_RETURN(job.unit, job.load.Start());
    return false;
  }
  ++job.layers;
  return job.load.ReadLayer();
}

}  // namespace promptcache

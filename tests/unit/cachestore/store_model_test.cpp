// Stores against a map: random puts, reads, pins, imports, removals, time, restarts and full disks,
// of which the map says what must be there, what may be, and what must not.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>
#include <set>

#include "cachestore/disk/environment.h"
#include "cachestore/disk/open.h"
#include "cachestore/memory/memory_store.h"
#include "tests/fakes/fake_clock.h"
#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/store_tools.h"
#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache::testing {
namespace {

constexpr uint32_t kKeys = 8;
constexpr uint64_t kHourMs = 3'600'000;

const std::vector<SampleBlob>& Samples() {
  static const auto* const samples = [] {
    auto* all = new std::vector<SampleBlob>();
    for (uint32_t seed = 0; seed < kKeys; ++seed) all->push_back(MakeSampleBlob({.seed = seed}));
    return all;
  }();
  return *samples;
}

// Room for five of the samples; pins for two.
uint64_t QuotaOf(uint64_t overhead) { return 5 * (Samples()[0].bytes.size() + overhead); }
uint64_t PinQuota() { return 2 * Samples()[0].bytes.size(); }

enum class Action {
  kPut,
  kPutForAnHour,
  kImport,
  kPin,
  kUnpin,
  kRemove,
  kWait,
  kRestart,
  kFillDisk,
  kEmptyDisk,
  kCollect
};

struct Step {
  Action action;
  uint32_t key;
};

void showValue(const Step& step, std::ostream& out) {
  out << static_cast<int>(step.action) << ":" << step.key;
}

// A store that can be closed and opened again, on a disk that can be full.
class Medium {
 public:
  virtual ~Medium() = default;
  virtual BlobStore& blobs() = 0;
  virtual StoreAdmin& admin() = 0;
  virtual void Restart() = 0;
  virtual bool SetFull(bool full) = 0;  // false when that means nothing to it
  FakeClock clock;
};

class MemoryMedium : public Medium {
 public:
  BlobStore& blobs() override { return store_; }
  StoreAdmin& admin() override { return store_; }
  void Restart() override {}
  bool SetFull(bool /*full*/) override { return false; }

 private:
  MemoryBlobStore store_{
      {.quota_bytes = QuotaOf(0), .pin_quota_bytes = PinQuota(), .clock = &clock}};
};

class DiskMedium : public Medium {
 public:
  DiskMedium() { Restart(); }
  ~DiskMedium() override { store_.reset(); }
  BlobStore& blobs() override { return store_->blobs(); }
  StoreAdmin& admin() override { return store_->admin(); }
  void Restart() override {
    store_.reset();
    DiskStoreOptions options{.directory = dir_.Sub("store"),
                             .quota_bytes = QuotaOf(8192),
                             .pin_quota_bytes = PinQuota(),
                             .min_free_bytes = 64 << 20,
                             .maintain_every = std::chrono::milliseconds(0),
                             .clock = &clock};
    options.environment = std::make_shared<internal::DiskEnvironment>(internal::DiskEnvironment{
        .free_bytes = [this](const std::string&) -> Result<uint64_t> { return free_; }});
    store_ = OpenDiskStore(options).value();
  }
  bool SetFull(bool full) override {
    free_ = full ? 1 << 20 : 1 << 30;
    return true;
  }

 private:
  TempDir dir_;
  uint64_t free_ = 1 << 30;
  std::unique_ptr<DiskStore> store_;
};

// What the map knows of a stored blob.
struct Known {
  std::map<std::string, uint64_t> ends_ms;  // by reference; 0: never
  bool pinned = false;
  bool may_have_left = false;  // others needed room
};

class Checker {
 public:
  explicit Checker(Medium& medium) : medium_(medium) {}

  void Run(const std::vector<Step>& steps) {
    for (const Step& step : steps) {
      Do(step);
      Compare();
    }
    SetFull(false);
    RC_ASSERT(medium_.admin().Check(CheckMode::kReport).value().findings.empty());
  }

 private:
  uint64_t now() const { return medium_.clock.UnixMillis(); }

  bool IsExpired(const Known& known) const {
    if (known.pinned) return false;
    for (const auto& [reference, end] : known.ends_ms) {
      if (end == 0 || now() < end) return false;
    }
    return true;
  }

  bool IsThere(uint32_t key) {
    return medium_.blobs().Contains({&Samples()[key].key, 1}).value()[0];
  }

  void SetFull(bool full) { full_ = medium_.SetFull(full) && full; }

  // What a change may answer; true when it was made.
  bool Made(const Status& status) {
    RC_ASSERT((full_ ? status.code() == Code::kResourceExhausted : status.ok()));
    return !full_;
  }

  void Use(uint32_t key, const std::string& reference) {
    known_[key].ends_ms[reference] = reference == "hour" ? now() + kHourMs : 0;
  }

  static Import ImportOf(const std::string& reference) {
    return {{.schema = "s", .module = reference}, {.ttl_ms = reference == "hour" ? kHourMs : 0}};
  }

  void Put(uint32_t key, const std::string& reference) {
    const SampleBlob& sample = Samples()[key];
    const bool was_there = IsThere(key);
    if (!Made(WriteBlob(medium_.blobs(), {sample.key, {ImportOf(reference)}}, sample.header,
                        sample.LayerSpans())
                  .status())) {
      return;
    }
    if (!was_there) {
      for (auto& [other, known] : known_) known.may_have_left = true;
      known_[key] = {};
    }
    Use(key, reference);
    RC_ASSERT(IsThere(key));
  }

  void RecordImport(uint32_t key) {
    const UnitImport import{Samples()[key].key, ImportOf("hour")};
    const bool was_there = IsThere(key);
    if (Made(medium_.blobs().RecordImports({&import, 1})) && was_there) Use(key, "hour");
  }

  void SetPin(uint32_t key, PinChange change) {
    const bool was_there = IsThere(key);
    const auto receipt = medium_.admin().SetPins({.keys = {Samples()[key].key}}, change);
    if (!Made(receipt.status()) || !was_there) return;
    RC_ASSERT(receipt->pinned_bytes <= PinQuota());
    if (receipt->blobs == 1) known_[key].pinned = change == PinChange::kPin;
    // What was refused would have been too much.
    RC_ASSERT((receipt->refused == 0 ||
               receipt->pinned_bytes + Samples()[key].bytes.size() > PinQuota()));
  }

  void Do(const Step& step) {
    switch (step.action) {
      case Action::kPut:
        return Put(step.key, "ever");
      case Action::kPutForAnHour:
        return Put(step.key, "hour");
      case Action::kImport:
        return RecordImport(step.key);
      case Action::kPin:
        return SetPin(step.key, PinChange::kPin);
      case Action::kUnpin:
        return SetPin(step.key, PinChange::kUnpin);
      case Action::kRemove:
        if (Made(medium_.blobs().Remove(Samples()[step.key].key))) known_.erase(step.key);
        return;
      case Action::kWait:
        return medium_.clock.Advance(std::chrono::minutes(step.key * 10));
      case Action::kRestart:
        SetFull(false);
        return medium_.Restart();
      case Action::kFillDisk:
        return SetFull(true);
      case Action::kEmptyDisk:
        return SetFull(false);
      case Action::kCollect:
        (void)Made(medium_.admin().CollectGarbage().status());
        return;
    }
  }

  void Compare() {
    uint64_t bytes = 0;
    for (uint32_t key = 0; key < kKeys; ++key) {
      const SampleBlob& sample = Samples()[key];
      const auto read = GetBytes(medium_.blobs(), sample.key);
      RC_ASSERT((read.ok() || read.status().code() == Code::kNotFound));
      RC_ASSERT((!read.ok() || *read == sample.bytes));
      const auto known = known_.find(key);
      const bool may_be = known != known_.end() && !IsExpired(known->second);
      const bool must_be = may_be && (known->second.pinned || !known->second.may_have_left);
      RC_ASSERT((may_be || !read.ok()));
      RC_ASSERT((read.ok() || !must_be));
      if (!read.ok()) known_.erase(key);
      if (read.ok()) bytes += sample.bytes.size();
    }
    const StoreStats stats = medium_.blobs().Stats().value();
    RC_ASSERT(stats.bytes >= bytes);  // what has expired may still be there
    RC_ASSERT((stats.quota_bytes == 0 || stats.bytes <= stats.quota_bytes));
    RC_ASSERT(stats.pinned_bytes <= PinQuota());
    RC_ASSERT(ListAll(medium_.blobs()).value().size() == known_.size());
  }

  Medium& medium_;
  bool full_ = false;
  std::map<uint32_t, Known> known_;
};

rc::Gen<std::vector<Step>> Steps() {
  const auto action = rc::gen::weightedElement<Action>({{6, Action::kPut},
                                                        {4, Action::kPutForAnHour},
                                                        {2, Action::kImport},
                                                        {2, Action::kPin},
                                                        {1, Action::kUnpin},
                                                        {2, Action::kRemove},
                                                        {2, Action::kWait},
                                                        {1, Action::kRestart},
                                                        {1, Action::kFillDisk},
                                                        {2, Action::kEmptyDisk},
                                                        {1, Action::kCollect}});
  return rc::gen::container<std::vector<Step>>(rc::gen::apply(
      [](Action what, uint32_t key) {
        return Step{what, key};
      },
      action, rc::gen::inRange<uint32_t>(0, kKeys)));
}

template <typename OneMedium>
bool Holds(const char* what, double scale) {
  return rc::check(what, [scale] {
    const std::vector<Step> steps = *rc::gen::scale(scale, Steps());
    OneMedium medium;
    Checker(medium).Run(steps);
  });
}

TEST(StoreModel, MemoryStoreIsAMapThatForgets) { EXPECT_TRUE(Holds<MemoryMedium>("memory", 1)); }

TEST(StoreModel, DiskStoreIsAMapThatForgetsAndRestarts) {
  EXPECT_TRUE(Holds<DiskMedium>("disk", 0.25));
}

}  // namespace
}  // namespace promptcache::testing

#include "tools/cli/store/verify.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "cachestore/format/blob_verifier.h"
#include "common/clock.h"

namespace promptcache {
namespace {

constexpr uint64_t kPieceBytes = 1 << 20;
constexpr size_t kKeyDigits = 64;

// One verification by several threads.
class Verification {
 public:
  Verification(BlobStore& store, const std::vector<BlobInfo>& blobs, const VerifyProgress& progress)
      : store_(store), blobs_(blobs), progress_(progress) {
    for (const BlobInfo& blob : blobs) total_ += blob.bytes;
  }

  // Takes one blob after the other until there is none left or one cannot be read.
  void Work() {
    for (size_t i = next_++; i < blobs_.size(); i = next_++) {
      const Status status = Check(blobs_[i]);
      const std::lock_guard lock(mutex_);
      if (status.code() == Code::kDataLoss) {
        report_.damaged.push_back(Damage(blobs_[i], status));
      } else if (!status.ok() && status.code() != Code::kNotFound) {
        error_ = status;
        next_ = blobs_.size();
      }
    }
  }

  // After all threads have ended.
  Result<VerifyReport> Finish() {
    PC_RETURN_IF_ERROR(error_);
    std::sort(report_.damaged.begin(), report_.damaged.end(),
              [](const DamagedBlob& a, const DamagedBlob& b) { return a.key < b.key; });
    return std::move(report_);
  }

 private:
  static DamagedBlob Damage(const BlobInfo& info, const Status& why) {
    DamagedBlob damaged{.key = info.key, .reason = why.message()};
    for (const BlobReference& one : info.use.references) {
      damaged.references.push_back(one.reference);
    }
    return damaged;
  }

  Status Check(const BlobInfo& info) {
    PC_ASSIGN_OR_RETURN(const auto reader, store_.Inspect(info.key));
    BlobVerifier verifier;
    for (uint64_t at = 0; at < reader->size() && verifier.good();) {
      PC_ASSIGN_OR_RETURN(const PinnedBytes piece, reader->ReadPinned(at, kPieceBytes));
      verifier.Append(piece.bytes);
      at += piece.bytes.size();
      CountRead(piece.bytes.size());
    }
    PC_ASSIGN_OR_RETURN(const BlobHeader header, verifier.Finish());
    const std::lock_guard lock(mutex_);
    ++report_.blobs;
    if (header.recipe_digest == info.recipe && header.identity == info.identity) return {};
    return DataLoss("the blob is another unit's: recipe " + header.recipe_digest.ToHex());
  }

  void CountRead(uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    report_.bytes += bytes;
    if (progress_) progress_(report_.bytes, total_);
  }

  BlobStore& store_;
  const std::vector<BlobInfo>& blobs_;
  const VerifyProgress& progress_;
  uint64_t total_ = 0;
  std::atomic<size_t> next_ = 0;
  std::mutex mutex_;
  // Guarded by mutex_.
  VerifyReport report_;
  Status error_;
};

bool Names(const VerifyReport& report, const UnitKey& key) {
  return std::any_of(report.damaged.begin(), report.damaged.end(),
                     [&](const DamagedBlob& blob) { return blob.key == key; });
}

}  // namespace

Result<VerifyReport> VerifyBlobs(BlobStore& store, const std::vector<BlobInfo>& blobs,
                                 unsigned threads, const VerifyProgress& progress) {
  const SteadyTime start = SystemClock().Now();
  Verification verification(store, blobs, progress);
  {
    std::vector<std::jthread> workers;
    for (unsigned i = 1; i < threads; ++i) workers.emplace_back([&] { verification.Work(); });
    verification.Work();
  }
  PC_ASSIGN_OR_RETURN(VerifyReport report, verification.Finish());
  report.seconds = MillisecondsBetween(start, SystemClock().Now()) / 1000;
  return report;
}

void AddFindings(const CheckReport& check, VerifyReport& report) {
  for (const CheckFinding& finding : check.findings) {
    const Result<UnitKey> key = UnitKey::FromHex(finding.where.substr(0, kKeyDigits));
    if (!key.ok()) continue;
    if (Names(report, *key)) continue;
    report.damaged.push_back(
        {.key = *key, .reason = finding.kind + finding.where.substr(kKeyDigits)});
  }
}

Status DropDamaged(BlobStore& store, StoreAdmin& admin, VerifyReport& report) {
  PC_ASSIGN_OR_RETURN(std::vector<BlobInfo> blobs, ListAll(store));
  std::erase_if(blobs, [&](const BlobInfo& blob) { return !Names(report, blob.key); });
  PC_ASSIGN_OR_RETURN(VerifyReport now, VerifyBlobs(store, blobs, 1, nullptr));
  PC_ASSIGN_OR_RETURN(const CheckReport check, admin.Check(CheckMode::kReport));
  AddFindings(check, now);
  for (DamagedBlob& blob : report.damaged) {
    if (Names(now, blob.key)) PC_RETURN_IF_ERROR(store.ReportCorrupt(blob.key));
    blob.dropped = true;
  }
  return {};
}

bool HasDamageLeft(const VerifyReport& report) {
  return std::any_of(report.damaged.begin(), report.damaged.end(),
                     [](const DamagedBlob& blob) { return !blob.dropped; });
}

}  // namespace promptcache

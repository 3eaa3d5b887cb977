#include "cachestore/disk/open.h"

#include <filesystem>

#include "cachestore/disk/disk_blob_store.h"
#include "cachestore/disk/disk_meta_store.h"
#include "cachestore/disk/maintainer.h"
#include "common/log.h"

namespace promptcache {
namespace {

using internal::Database;
using internal::DiskCore;
using internal::DiskEnvironment;
using internal::OpenMode;

class OpenedStore : public DiskStore {
 public:
  OpenedStore(const std::shared_ptr<DiskCore>& core, DiskOpenReport report)
      : blobs_(core), meta_(core->database()), report_(std::move(report)), maintainer_(core) {}

  BlobStore& blobs() override { return blobs_; }
  MetaStore& meta() override { return meta_; }
  StoreAdmin& admin() override { return blobs_; }
  const DiskOpenReport& report() const override { return report_; }

 private:
  internal::DiskBlobStore blobs_;
  internal::DiskMetaStore meta_;
  const DiskOpenReport report_;
  internal::Maintainer maintainer_;
};

Result<std::unique_ptr<DiskStore>> OpenOnce(const DiskStoreOptions& options, OpenMode mode,
                                            const std::string& quarantined_to) {
  PC_ASSIGN_OR_RETURN(
      const std::shared_ptr<Database> database,
      Database::Open({.directory = options.directory,
                      .mode = mode,
                      .min_free_bytes = options.min_free_bytes / 8,
                      .environment = options.environment ? options.environment
                                                         : std::make_shared<DiskEnvironment>()}));
  const auto core = std::make_shared<DiskCore>(database, options);
  PC_ASSIGN_OR_RETURN(DiskOpenReport report, core->Load());
  report.quarantined_to = quarantined_to;
  return std::unique_ptr<DiskStore>(std::make_unique<OpenedStore>(core, std::move(report)));
}

// RocksDB takes a directory without CURRENT for a new one, and deletes the tables it finds.
bool IsHeadless(const std::string& directory) {
  if (std::filesystem::exists(directory + "/CURRENT")) return false;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::filesystem::path& path = entry.path();
    if (path.extension() == ".sst" || path.filename().string().starts_with("MANIFEST-")) {
      return true;
    }
  }
  return false;
}

// Moves a damaged directory out of the way and returns where it is now.
Result<std::string> Quarantine(const DiskStoreOptions& options, const Status& why) {
  std::string from = options.directory;
  while (from.size() > 1 && from.back() == '/') from.pop_back();
  const std::string to = from + ".quarantine." + std::to_string(options.clock->UnixMillis());
  std::error_code error;
  std::filesystem::rename(from, to, error);
  if (error) {
    return Unavailable("the store in " + from + " is damaged (" + why.message() +
                       ") and cannot be moved to " + to + ": " + error.message());
  }
  Log(LogLevel::kError, "store.quarantined",
      {{"directory", from},
       {"moved_to", to},
       {"reason", why.message()},
       {"effect",
        "starting with an empty store; blobs will be encoded again, schemas must be "
        "registered again"}});
  return to;
}

}  // namespace

DiskStoreOptions DiskStoreOptionsOf(const StoreSettings& settings) {
  return {.directory = settings.directory,
          .max_blob_bytes = static_cast<uint64_t>(settings.max_blob_bytes),
          .quota_bytes = static_cast<uint64_t>(settings.quota_bytes),
          .pin_quota_bytes = static_cast<uint64_t>(settings.pin_quota_bytes),
          .use_half_life_ms = static_cast<uint64_t>(settings.use_half_life_s) * 1'000,
          .min_free_bytes = static_cast<uint64_t>(settings.min_free_bytes)};
}

Result<std::unique_ptr<DiskStore>> OpenDiskStore(const DiskStoreOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(options.directory, error);
  if (error) {
    const std::string what =
        "cannot create the store directory " + options.directory + ": " + error.message();
    return error == std::errc::not_a_directory ? InvalidArgument(what) : Unavailable(what);
  }
  Result<std::unique_ptr<DiskStore>> store = DataLoss("CURRENT is missing");
  if (!IsHeadless(options.directory)) store = OpenOnce(options, OpenMode::kReadWrite, "");
  if (store.status().code() != Code::kDataLoss) return store;
  PC_ASSIGN_OR_RETURN(const std::string moved_to, Quarantine(options, store.status()));
  return OpenOnce(options, OpenMode::kReadWrite, moved_to);
}

Result<std::unique_ptr<DiskStore>> OpenDiskStoreReadOnly(const DiskStoreOptions& options) {
  if (!std::filesystem::exists(std::filesystem::path(options.directory) / "CURRENT")) {
    return NotFound("there is no store in " + options.directory);
  }
  return OpenOnce(options, OpenMode::kReadOnly, "");
}

Result<std::unique_ptr<DiskStore>> OpenDiskStoreReadOnly(const std::string& directory) {
  return OpenDiskStoreReadOnly(DiskStoreOptions{.directory = directory});
}

}  // namespace promptcache

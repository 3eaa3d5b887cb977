// A file system that tears a write of the database's log.
#pragma once

#include <rocksdb/file_system.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

namespace promptcache::testing {

// Thread safe.
class TornLogFileSystem : public rocksdb::FileSystemWrapper {
 public:
  TornLogFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "TornLogFileSystem"; }

  // Of the next write to a log the first half is written, and it fails.
  void TearNextWrite() { tear_ = true; }
  // New logs cannot be made.
  void RefuseLogs(bool refuse) { refuse_logs_ = refuse; }

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* dbg) override {
    const bool is_log = name.ends_with(".log");
    if (is_log && refuse_logs_) return rocksdb::IOStatus::IOError("refused for a test");
    const rocksdb::IOStatus status = FileSystemWrapper::NewWritableFile(name, options, result, dbg);
    if (status.ok() && is_log) {
      *result = std::make_unique<Log>(std::move(*result), tear_);
    }
    return status;
  }

 private:
  class Log : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    Log(std::unique_ptr<rocksdb::FSWritableFile>&& target, std::atomic<bool>& tear)
        : FSWritableFileOwnerWrapper(std::move(target)), tear_(tear) {}

    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* dbg) override {
      if (!tear_.exchange(false)) return FSWritableFileOwnerWrapper::Append(data, options, dbg);
      (void)FSWritableFileOwnerWrapper::Append({data.data(), data.size() / 2}, options, dbg);
      return rocksdb::IOStatus::IOError("torn for a test");
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo& /*verification*/,
                             rocksdb::IODebugContext* dbg) override {
      return Append(data, options, dbg);
    }

   private:
    std::atomic<bool>& tear_;
  };

  std::atomic<bool> tear_ = false;
  std::atomic<bool> refuse_logs_ = false;
};

}  // namespace promptcache::testing

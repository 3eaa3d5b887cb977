// A file system that ends the process at a chosen write, sync, rename, link or removal.
#pragma once

#include <rocksdb/file_system.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

namespace promptcache::testing {

enum class CrashKind {
  kKill,      // as by kill -9: what was written stays, of the write under way the first half
  kPowerCut,  // what was not synced is gone, and so are names whose directory was not
};

// Thread safe. Dies with SIGKILL.
class CrashFileSystem : public rocksdb::FileSystemWrapper {
 public:
  // Dies before operation number `point` (from 1) after Arm; never for 0.
  CrashFileSystem(CrashKind kind, uint64_t point)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), kind_(kind), point_(point) {}
  const char* Name() const override { return "CrashFileSystem"; }

  void Arm() { armed_ = true; }
  uint64_t operations() const { return operations_; }  // since Arm

  // An operation is about to happen; `torn` does half of it.
  void Point(const std::function<void()>& torn = nullptr);

  // What a file has on the disk for certain.
  struct FileState {
    uint64_t size = 0;
    uint64_t synced = 0;
  };
  using FileStatePtr = std::shared_ptr<FileState>;
  void Resize(FileState& file, uint64_t size);
  void Grow(FileState& file, uint64_t bytes);
  void Synced(FileState& file);
  void DirectorySynced(const std::string& directory);

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* result,
                                       rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus NewDirectory(const std::string& name, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* result,
                                 rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus LinkFile(const std::string& from, const std::string& to,
                             const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* dbg) override;

 private:
  [[noreturn]] void Die();
  FileStatePtr NewName(const std::string& name, FileStatePtr file);

  const CrashKind kind_;
  const uint64_t point_;
  std::atomic<bool> armed_ = false;
  std::atomic<uint64_t> operations_ = 0;

  std::mutex mutex_;
  // Guarded by mutex_. Files of earlier processes are whole and not in it.
  std::map<std::string, FileStatePtr> files_;
  std::set<std::string> unsynced_names_;
};

}  // namespace promptcache::testing

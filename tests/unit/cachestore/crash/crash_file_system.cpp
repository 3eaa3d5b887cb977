#include "tests/unit/cachestore/crash/crash_file_system.h"

#include <signal.h>
#include <unistd.h>

#include <filesystem>

namespace promptcache::testing {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

class CrashFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  CrashFile(std::unique_ptr<rocksdb::FSWritableFile>&& target, CrashFileSystem& system,
            CrashFileSystem::FileStatePtr state)
      : FSWritableFileOwnerWrapper(std::move(target)), system_(system), state_(std::move(state)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* dbg) override {
    system_.Point([&] {
      (void)FSWritableFileOwnerWrapper::Append(Slice(data.data(), data.size() / 2), options, dbg);
    });
    system_.Grow(*state_, data.size());
    return FSWritableFileOwnerWrapper::Append(data, options, dbg);
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& /*verification*/,
                  IODebugContext* dbg) override {
    return Append(data, options, dbg);
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* dbg) override {
    system_.Point();
    system_.Resize(*state_, size);
    return FSWritableFileOwnerWrapper::Truncate(size, options, dbg);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* dbg) override {
    system_.Point();
    const IOStatus status = FSWritableFileOwnerWrapper::Sync(options, dbg);
    if (status.ok()) system_.Synced(*state_);
    return status;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* dbg) override {
    system_.Point();
    const IOStatus status = FSWritableFileOwnerWrapper::Fsync(options, dbg);
    if (status.ok()) system_.Synced(*state_);
    return status;
  }

 private:
  CrashFileSystem& system_;
  const CrashFileSystem::FileStatePtr state_;
};

class CrashDirectory : public rocksdb::FSDirectoryWrapper {
 public:
  CrashDirectory(std::unique_ptr<rocksdb::FSDirectory>&& target, CrashFileSystem& system,
                 std::string name)
      : FSDirectoryWrapper(std::move(target)), system_(system), name_(std::move(name)) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* dbg) override {
    system_.Point();
    const IOStatus status = FSDirectoryWrapper::Fsync(options, dbg);
    if (status.ok()) system_.DirectorySynced(name_);
    return status;
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* dbg,
                               const rocksdb::DirFsyncOptions& /*what*/) override {
    return Fsync(options, dbg);
  }

 private:
  CrashFileSystem& system_;
  const std::string name_;
};

std::string Normal(const std::string& name) {
  return std::filesystem::path(name).lexically_normal().string();
}

}  // namespace

void CrashFileSystem::Point(const std::function<void()>& torn) {
  if (!armed_) return;
  if (++operations_ != point_) return;
  if (kind_ == CrashKind::kKill && torn) torn();
  Die();
}

void CrashFileSystem::Die() {
  if (kind_ == CrashKind::kPowerCut) {
    mutex_.lock();  // for good: nobody changes anything any more
    std::error_code ignored;
    for (const auto& [name, file] : files_) {
      if (unsynced_names_.contains(name)) {
        std::filesystem::remove(name, ignored);
      } else if (file->synced < file->size) {
        std::filesystem::resize_file(name, file->synced, ignored);
      }
    }
  }
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

void CrashFileSystem::Resize(FileState& file, uint64_t size) {
  std::lock_guard lock(mutex_);
  file.size = size;
  file.synced = std::min(file.synced, size);
}

void CrashFileSystem::Grow(FileState& file, uint64_t bytes) {
  std::lock_guard lock(mutex_);
  file.size += bytes;
}

void CrashFileSystem::Synced(FileState& file) {
  std::lock_guard lock(mutex_);
  file.synced = file.size;
}

void CrashFileSystem::DirectorySynced(const std::string& directory) {
  const std::string normal = Normal(directory + "/.");
  std::lock_guard lock(mutex_);
  std::erase_if(unsynced_names_, [&](const std::string& name) {
    return std::filesystem::path(name).parent_path() / "" == std::filesystem::path(normal);
  });
}

CrashFileSystem::FileStatePtr CrashFileSystem::NewName(const std::string& name, FileStatePtr file) {
  std::lock_guard lock(mutex_);
  files_[Normal(name)] = file;
  unsynced_names_.insert(Normal(name));
  return file;
}

IOStatus CrashFileSystem::NewWritableFile(const std::string& name,
                                          const rocksdb::FileOptions& options,
                                          std::unique_ptr<rocksdb::FSWritableFile>* result,
                                          IODebugContext* dbg) {
  Point();
  std::unique_ptr<rocksdb::FSWritableFile> file;
  const IOStatus status = FileSystemWrapper::NewWritableFile(name, options, &file, dbg);
  if (!status.ok()) return status;
  *result = std::make_unique<CrashFile>(std::move(file), *this,
                                        NewName(name, std::make_shared<FileState>()));
  return status;
}

IOStatus CrashFileSystem::ReopenWritableFile(const std::string& name,
                                             const rocksdb::FileOptions& options,
                                             std::unique_ptr<rocksdb::FSWritableFile>* result,
                                             IODebugContext* dbg) {
  Point();
  std::unique_ptr<rocksdb::FSWritableFile> file;
  const IOStatus status = FileSystemWrapper::ReopenWritableFile(name, options, &file, dbg);
  if (!status.ok()) return status;
  FileStatePtr state;
  {
    std::lock_guard lock(mutex_);
    FileStatePtr& known = files_[Normal(name)];
    if (!known) {
      const uint64_t size = std::filesystem::file_size(name);
      known = std::make_shared<FileState>(FileState{size, size});
    }
    state = known;
  }
  *result = std::make_unique<CrashFile>(std::move(file), *this, std::move(state));
  return status;
}

IOStatus CrashFileSystem::NewDirectory(const std::string& name, const IOOptions& options,
                                       std::unique_ptr<rocksdb::FSDirectory>* result,
                                       IODebugContext* dbg) {
  std::unique_ptr<rocksdb::FSDirectory> directory;
  const IOStatus status = FileSystemWrapper::NewDirectory(name, options, &directory, dbg);
  if (!status.ok()) return status;
  *result = std::make_unique<CrashDirectory>(std::move(directory), *this, name);
  return status;
}

IOStatus CrashFileSystem::RenameFile(const std::string& from, const std::string& to,
                                     const IOOptions& options, IODebugContext* dbg) {
  Point();
  const IOStatus status = FileSystemWrapper::RenameFile(from, to, options, dbg);
  if (!status.ok()) return status;
  std::lock_guard lock(mutex_);
  // Either name may be there after a power cut: it is the new one.
  if (auto node = files_.extract(Normal(from)); !node.empty()) {
    node.key() = Normal(to);
    files_.erase(node.key());
    files_.insert(std::move(node));
  }
  unsynced_names_.erase(Normal(from));
  return status;
}

IOStatus CrashFileSystem::LinkFile(const std::string& from, const std::string& to,
                                   const IOOptions& options, IODebugContext* dbg) {
  Point();
  const IOStatus status = FileSystemWrapper::LinkFile(from, to, options, dbg);
  if (!status.ok()) return status;
  FileStatePtr state;
  {
    std::lock_guard lock(mutex_);
    const auto found = files_.find(Normal(from));
    state = found != files_.end() ? found->second : std::make_shared<FileState>();
  }
  NewName(to, state);
  return status;
}

IOStatus CrashFileSystem::DeleteFile(const std::string& name, const IOOptions& options,
                                     IODebugContext* dbg) {
  Point();
  const IOStatus status = FileSystemWrapper::DeleteFile(name, options, dbg);
  std::lock_guard lock(mutex_);
  files_.erase(Normal(name));
  unsynced_names_.erase(Normal(name));
  return status;
}

}  // namespace promptcache::testing

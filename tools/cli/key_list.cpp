#include "tools/cli/key_list.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>

#include "tools/cli/replace_file.h"

namespace promptcache {
namespace {

namespace fs = std::filesystem;

// Of the folder, as the file itself is replaced: else two changes at once would lose one of them.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder)
      : fd_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (fd_ < 0 || ::flock(fd_, LOCK_EX) != 0) {
      status_ = Unavailable("cannot lock " + folder.string() + ": " + std::strerror(errno));
    }
  }
  ~FolderLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  const Status& status() const { return status_; }

 private:
  const int fd_;
  Status status_;
};

Status Change(const std::string& file, const std::function<Status(Allowlist&)>& change) {
  std::error_code error;
  const fs::path target = fs::weakly_canonical(fs::absolute(file, error), error);
  if (error) return Unavailable("cannot find " + file + ": " + error.message());
  const FolderLock lock(target.parent_path());
  PC_RETURN_IF_ERROR(lock.status());
  Allowlist list;
  if (fs::exists(target, error)) {
    PC_ASSIGN_OR_RETURN(list, Allowlist::Load(file));
  }
  PC_RETURN_IF_ERROR(change(list).WithContext(file));
  return ReplaceFile(target.string(), list.Render());
}

}  // namespace

Status AllowKey(const std::string& file, const PublicLinkKey& key) {
  return Change(file, [&key](Allowlist& list) { return list.Add(key); });
}

Status RevokeKey(const std::string& file, const std::string& name_or_key) {
  return Change(file, [&name_or_key](Allowlist& list) { return list.Remove(name_or_key); });
}

}  // namespace promptcache

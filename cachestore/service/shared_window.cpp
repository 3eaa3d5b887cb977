#include "cachestore/service/shared_window.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/ids.h"

namespace promptcache {
namespace {

constexpr std::string_view kPrefix = "/promptcache-";
constexpr size_t kDigits = 32;

bool IsWindowName(std::string_view name) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return name.size() == kPrefix.size() + kDigits && name.starts_with(kPrefix) &&
         std::all_of(name.begin() + kPrefix.size(), name.end(), is_digit);
}

Status SystemError(const std::string& what) {
  return Unavailable(what + ": " + std::strerror(errno));
}

}  // namespace

Result<std::unique_ptr<SharedWindow>> SharedWindow::Create(uint64_t bytes) {
  const std::string name = std::string(kPrefix) + RequestId::Random().ToHex();
  const int file = ::shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return SystemError("create shared memory " + name);
  void* memory = MAP_FAILED;
  if (::ftruncate(file, static_cast<off_t>(bytes)) == 0) {
    memory = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file, 0);
  }
  const Status failure = SystemError("map shared memory " + name);
  ::close(file);
  if (memory == MAP_FAILED) {
    ::shm_unlink(name.c_str());
    return failure;
  }
  return std::unique_ptr<SharedWindow>(
      new SharedWindow(name, {static_cast<const uint8_t*>(memory), bytes}));
}

SharedWindow::~SharedWindow() {
  Forget();
  ::munmap(const_cast<uint8_t*>(bytes_.data()), bytes_.size());
}

void SharedWindow::Forget() {
  if (!name_.empty()) ::shm_unlink(name_.c_str());
  name_.clear();
}

Result<std::unique_ptr<WindowWriter>> WindowWriter::Open(const std::string& name) {
  if (!IsWindowName(name)) return InvalidArgument("not the name of a window");
  const int file = ::shm_open(name.c_str(), O_RDWR | O_CLOEXEC, 0);
  if (file < 0) return NotFound("no window " + name);
  struct stat found {};
  const bool known = ::fstat(file, &found) == 0 && found.st_size > 0;
  if (!known || found.st_uid != ::geteuid()) {
    ::close(file);
    return FailedPrecondition("window " + name + " is empty or of another user");
  }
  return std::unique_ptr<WindowWriter>(
      new WindowWriter(file, static_cast<uint64_t>(found.st_size)));
}

WindowWriter::~WindowWriter() { ::close(file_); }

Status WindowWriter::Write(uint64_t offset, std::span<const uint8_t> bytes) {
  if (offset > size_ || bytes.size() > size_ - offset) {
    return Unavailable("the window is too small");
  }
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return SystemError("write to a window");
    bytes = bytes.subspan(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  return {};
}

bool CanShareMemory(std::string_view endpoint) {
  return endpoint.starts_with("ipc://") || endpoint.starts_with("tcp://127.") ||
         endpoint.starts_with("tcp://[::1]") || endpoint.starts_with("tcp://localhost:");
}

}  // namespace promptcache

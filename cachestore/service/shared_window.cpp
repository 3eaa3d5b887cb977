#include "cachestore/service/shared_window.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "common/ids.h"

namespace promptcache {
namespace {

constexpr std::string_view kPrefix = "promptcache-";
constexpr size_t kRandomDigits = 32;

bool IsNumber(std::string_view text) {
  return !text.empty() && text.size() <= 10 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool IsOwnName(std::string_view text) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() == kPrefix.size() + kRandomDigits && text.starts_with(kPrefix) &&
         std::all_of(text.begin() + kPrefix.size(), text.end(), is_digit);
}

// What the system calls an open file.
std::string NameOfFile(int file) {
  std::array<char, 256> target{};
  const std::string link = "/proc/self/fd/" + std::to_string(file);
  const ssize_t count = ::readlink(link.c_str(), target.data(), target.size());
  return count < 0 ? "" : std::string(target.data(), static_cast<size_t>(count));
}

Status SystemError(const std::string& what) {
  return Unavailable(what + ": " + std::strerror(errno));
}

}  // namespace

Result<std::unique_ptr<SharedWindow>> SharedWindow::Create(uint64_t bytes) {
  const std::string name = std::string(kPrefix) + RequestId::Random().ToHex();
  const int file = ::memfd_create(name.c_str(), MFD_CLOEXEC);
  if (file < 0) return SystemError("create shared memory");
  void* memory = MAP_FAILED;
  if (::ftruncate(file, static_cast<off_t>(bytes)) == 0) {
    memory = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file, 0);
  }
  if (memory == MAP_FAILED) {
    const Status failure = SystemError("map shared memory");
    ::close(file);
    return failure;
  }
  return std::unique_ptr<SharedWindow>(
      new SharedWindow(std::to_string(::getpid()) + "/" + std::to_string(file) + "/" + name, file,
                       {static_cast<const uint8_t*>(memory), bytes}));
}

SharedWindow::~SharedWindow() {
  ::munmap(const_cast<uint8_t*>(bytes_.data()), bytes_.size());
  ::close(file_);
}

Result<std::unique_ptr<WindowWriter>> WindowWriter::Open(const std::string& name) {
  const std::string_view whole = name;
  const size_t first = whole.find('/');
  const size_t second = first == whole.npos ? first : whole.find('/', first + 1);
  if (second == whole.npos || !IsNumber(whole.substr(0, first)) ||
      !IsNumber(whole.substr(first + 1, second - first - 1)) ||
      !IsOwnName(whole.substr(second + 1))) {
    return InvalidArgument("not the name of a window");
  }
  const std::string path =
      "/proc/" + name.substr(0, first) + "/fd/" + name.substr(first + 1, second - first - 1);
  const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return NotFound("no window " + name);
  struct stat found {};
  const bool is_it = ::fstat(file, &found) == 0 && S_ISREG(found.st_mode) &&
                     found.st_uid == ::geteuid() && found.st_size > 0 &&
                     NameOfFile(file) == "/memfd:" + name.substr(second + 1) + " (deleted)";
  if (!is_it) {
    ::close(file);
    return NotFound("no window " + name);
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

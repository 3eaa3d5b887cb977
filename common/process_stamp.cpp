#include "common/process_stamp.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

extern "C" {  // which glibc 2.36 leaves out
#include <sys/pidfd.h>
}

namespace promptcache {
namespace {

// Of the fields of /proc/PID/stat behind the name: the state, and the start.
constexpr int kStartField = 19;

std::string BootId() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id;
}

}  // namespace

std::optional<ProcessStamp> StampOf(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text, '\0');
  const size_t name_end = text.rfind(')');  // the name may hold anything
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  std::string state;
  fields >> state;
  if (state == "Z" || state == "X") return std::nullopt;
  std::string skipped;
  for (int field = 1; field < kStartField; ++field) fields >> skipped;
  ProcessStamp stamp{.pid = pid, .boot = BootId()};
  fields >> stamp.started;
  return fields ? std::optional(stamp) : std::nullopt;
}

std::optional<ProcessHandle> ProcessHandle::Open(const ProcessStamp& stamp) {
  if (stamp.pid <= 0) return std::nullopt;
  const int file = ::pidfd_open(stamp.pid, 0);
  if (file < 0) return std::nullopt;
  ProcessHandle handle(file);
  // From here on the number cannot be given to another process without the handle's end showing.
  if (StampOf(stamp.pid) != stamp) return std::nullopt;
  return handle;
}

ProcessHandle::~ProcessHandle() {
  if (file_ >= 0) ::close(file_);
}

ProcessHandle::ProcessHandle(ProcessHandle&& other) noexcept
    : file_(std::exchange(other.file_, -1)) {}

Status ProcessHandle::Terminate() const {
  if (::pidfd_send_signal(file_, SIGTERM, nullptr, 0) == 0 || errno == ESRCH) return {};
  return FailedPrecondition(std::string("the process cannot be ended: ") + std::strerror(errno));
}

bool ProcessHandle::EndsWithin(std::chrono::milliseconds time) const {
  pollfd poll{.fd = file_, .events = POLLIN};
  return ::poll(&poll, 1, static_cast<int>(time.count())) > 0;
}

}  // namespace promptcache

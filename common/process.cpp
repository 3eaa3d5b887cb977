#include "common/process.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

namespace promptcache {
namespace {

constexpr char kSelf[] = "/proc/self/exe";

Status WriteAll(int file, std::string_view contents) {
  while (!contents.empty()) {
    const ssize_t written = ::write(file, contents.data(), contents.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Unavailable(std::strerror(errno));
    contents.remove_prefix(static_cast<size_t>(written));
  }
  if (::fsync(file) != 0) return Unavailable(std::strerror(errno));
  return {};
}

Status WriteBeside(const std::string& path, std::string_view contents, unsigned rename_flags) {
  std::string temporary = path + ".XXXXXX";
  const int file = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (file < 0) {
    const Code code = errno == ENOENT ? Code::kNotFound : Code::kUnavailable;
    return Status(code, "cannot write " + path + ": " + std::strerror(errno));
  }
  Status status = WriteAll(file, contents);
  ::close(file);
  if (status.ok() &&
      ::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), rename_flags) != 0) {
    status = errno == EEXIST ? AlreadyExists("there is a file of that name")
                             : Unavailable(std::strerror(errno));
  }
  if (!status.ok()) ::unlink(temporary.c_str());
  return status.WithContext("cannot write " + path);
}

}  // namespace

Status WriteFileAtomically(const std::string& path, std::string_view contents) {
  return WriteBeside(path, contents, /*rename_flags=*/0);
}

Status WriteNewFile(const std::string& path, std::string_view contents) {
  return WriteBeside(path, contents, RENAME_NOREPLACE);
}

void CallOnStopSignal(std::function<void()> on_stop) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([signals, on_stop = std::move(on_stop)] {
    int signal = 0;
    sigwait(&signals, &signal);
    on_stop();
    sigwait(&signals, &signal);
    std::_Exit(128 + signal);
  }).detach();
}

ReloadSignal::ReloadSignal(std::function<void()> on_signal) {
  sigset_t hangup;
  sigemptyset(&hangup);
  sigaddset(&hangup, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &hangup, nullptr);
  thread_ = std::thread([this, hangup, on_signal = std::move(on_signal)] {
    // All other signals are for threads that know what to do with them.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    for (int signal = 0; sigwait(&hangup, &signal) == 0 && !ends_;) on_signal();
  });
}

ReloadSignal::~ReloadSignal() {
  ends_ = true;
  pthread_kill(thread_.native_handle(), SIGHUP);
  thread_.join();
}

uint64_t RaiseOpenFiles() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return 0;
  files.rlim_cur = files.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &files);  // where that is refused, what there was remains
  (void)::getrlimit(RLIMIT_NOFILE, &files);
  return files.rlim_cur;
}

std::string ProgramPath() {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::read_symlink(kSelf, error);
  return error || !std::filesystem::exists(path, error) ? kSelf : path.string();
}

void RestartWithEnvironment(std::span<const EnvironmentVariable> variables, char** argv) {
  for (const auto& [name, value] : variables) {
    if (::setenv(name, value, /*overwrite=*/0) != 0) return;
  }
  ::execv(ProgramPath().c_str(), argv);
}

Status InitLogFromSettings(std::string_view component, const LogSettings& settings) {
  PC_ASSIGN_OR_RETURN(const LogLevel level, ParseLogLevel(settings.level));
  PC_ASSIGN_OR_RETURN(const LogFormat format, ParseLogFormat(settings.format));
  InitLog(component, level, format);
  return {};
}

}  // namespace promptcache

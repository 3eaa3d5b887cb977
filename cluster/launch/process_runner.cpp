#include "cluster/launch/process_runner.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace promptcache {
namespace {

constexpr int kExitUnknown = 255;

void WriteText(int fd, const char* text) { (void)!::write(fd, text, std::strlen(text)); }

// In the child, between fork and exec: async-signal-safe calls only.
[[noreturn]] void BecomeChild(char* const* argv, int log, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);  // it died before the line above
  // A group of its own: Ctrl-C reaches the supervisor alone, which stops its children in order.
  ::setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  const int null = ::open("/dev/null", O_RDONLY);
  ::dup2(null, STDIN_FILENO);
  ::close_range(STDERR_FILENO + 1, ~0U, 0);  // what other libraries opened without O_CLOEXEC
  ::execv(argv[0], argv);
  WriteText(STDERR_FILENO, "cannot execute ");
  WriteText(STDERR_FILENO, argv[0]);
  WriteText(STDERR_FILENO, ": not a program for this machine\n");
  ::_exit(127);
}

class SystemRunner : public ProcessRunner {
 public:
  ~SystemRunner() override {
    for (const pid_t child : children_) {
      ::kill(child, SIGKILL);
      while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
  }

  Result<pid_t> Start(const ProcessCommand& command) override {
    if (command.argv.empty()) return InvalidArgument("a command without a program");
    if (::access(command.argv[0].c_str(), X_OK) != 0) {
      return NotFound("cannot run " + command.argv[0] + ": " + std::strerror(errno));
    }
    const int log =
        ::open(command.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log < 0)
      return Unavailable("cannot write " + command.log_file + ": " + std::strerror(errno));
    std::vector<std::string> words = command.argv;
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child == 0) BecomeChild(argv.data(), log, parent);
    ::close(log);
    if (child < 0) return Unavailable(std::string("cannot fork: ") + std::strerror(errno));
    children_.push_back(child);
    return child;
  }

  std::optional<ProcessExit> PollExit() override {
    for (const pid_t child : children_) {
      int status = 0;
      const pid_t ended = ::waitpid(child, &status, WNOHANG);
      // ECHILD: the system reaped it, as it does where SIGCHLD is ignored; its code is lost.
      const bool lost = ended < 0 && errno == ECHILD;
      if (ended != child && !lost) continue;
      ProcessExit exit{child, kExitUnknown};
      if (!lost) exit.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      std::erase(children_, exit.pid);
      return exit;
    }
    return std::nullopt;
  }

  void Terminate(pid_t pid) override { Signal(pid, SIGTERM); }
  void Kill(pid_t pid) override { Signal(pid, SIGKILL); }

 private:
  // Only to children that were not reaped: a pid may belong to someone else afterwards.
  void Signal(pid_t pid, int signal) {
    if (std::find(children_.begin(), children_.end(), pid) != children_.end()) ::kill(pid, signal);
  }

  std::vector<pid_t> children_;
};

}  // namespace

std::unique_ptr<ProcessRunner> MakeProcessRunner() { return std::make_unique<SystemRunner>(); }

}  // namespace promptcache

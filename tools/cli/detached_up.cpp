#include "tools/cli/detached_up.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "cluster/launch/run_directory.h"
#include "common/exit_codes.h"
#include "common/process.h"

namespace promptcache {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kPoll{50};

Result<pid_t> Spawn(std::vector<std::string>& arguments, const std::string& log) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, log.c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  pid_t pid = 0;
  const int error =
      ::posix_spawn(&pid, ProgramPath().c_str(), &files, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) return Unavailable(std::string("cannot start it: ") + std::strerror(error));
  return pid;
}

// What this run wrote to the log.
std::string TextAfter(const std::string& log, std::streamoff begin) {
  std::ifstream file(log);
  file.seekg(begin);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

Result<pid_t> StartDetached(std::vector<std::string> arguments, const std::string& run_directory) {
  PC_RETURN_IF_ERROR(RunDirectory::CheckFree(run_directory));  // up.log is that cluster's
  std::error_code error;
  fs::create_directories(run_directory, error);
  const std::string log = (fs::path(run_directory) / "up.log").string();
  const auto begin = static_cast<std::streamoff>(fs::exists(log) ? fs::file_size(log, error) : 0);
  arguments.insert(arguments.begin(), "promptcache");
  PC_ASSIGN_OR_RETURN(const pid_t pid, Spawn(arguments, log));
  for (;;) {
    int status = 0;
    if (::waitpid(pid, &status, WNOHANG) == pid) {
      const Code code = WIFEXITED(status) ? CodeOfExit(WEXITSTATUS(status)) : Code::kUnavailable;
      return Status(
          code, "it ended before it served; its log " + log + " says:\n" + TextAfter(log, begin));
    }
    const auto owner = RunDirectory::OwnerOf(run_directory);
    const bool is_own = owner && owner->supervisor.pid == pid;
    if (is_own && fs::exists(fs::path(run_directory) / "cluster.json")) return pid;
    std::this_thread::sleep_for(kPoll);
  }
}

}  // namespace promptcache

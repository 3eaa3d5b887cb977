#include "cluster/launch/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/process.h"

namespace promptcache {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr char kLock[] = "lock";
constexpr char kOwner[] = "up.json";
constexpr char kEndpoints[] = "cluster.json";
constexpr char kReady[] = ".ready";

json ReadJson(const fs::path& path) {
  std::ifstream file(path);
  return json::parse(file, nullptr, /*allow_exceptions=*/false);
}

// What WriteReadyFile and WriteOwner wrote; nullopt for anything else.
std::optional<ProcessStamp> StampIn(const json& fields) {
  if (!fields.is_object()) return std::nullopt;
  const auto pid = fields.find("pid");
  const auto started = fields.find("started");
  const auto boot = fields.find("boot");
  if (pid == fields.end() || !pid->is_number_integer() || started == fields.end() ||
      !started->is_number_unsigned() || boot == fields.end() || !boot->is_string()) {
    return std::nullopt;
  }
  return ProcessStamp{pid->get<pid_t>(), started->get<uint64_t>(), boot->get<std::string>()};
}

std::vector<fs::path> ReadyFilesIn(const std::string& path) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(path, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    if (entry->path().extension() == kReady) files.push_back(entry->path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Status InUse(const std::string& path) {
  return FailedPrecondition("the run directory " + path +
                            " is in use by another cluster; choose another one, or stop that one "
                            "with `promptcache down`");
}

}  // namespace

Result<RunDirectory> RunDirectory::Take(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return Unavailable("cannot create " + path + ": " + error.message());
  const std::string lock = (fs::path(path) / kLock).string();
  const int file = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) return Unavailable("cannot write " + lock + ": " + std::strerror(errno));
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    ::close(file);
    return InUse(path);
  }
  RunDirectory directory(path, file);
  directory.was_stale_ = OwnerOf(path).has_value();
  directory.RemoveState();
  PC_RETURN_IF_ERROR(directory.WriteOwner(false));
  return directory;
}

RunDirectory::~RunDirectory() {
  if (lock_ < 0) return;
  RemoveState();
  ::close(lock_);
}

RunDirectory::RunDirectory(RunDirectory&& other) noexcept
    : path_(std::move(other.path_)),
      lock_(std::exchange(other.lock_, -1)),
      was_stale_(other.was_stale_) {}

std::string RunDirectory::File(const std::string& name) const {
  return (fs::path(path_) / name).string();
}

Status RunDirectory::WriteEndpoints(const json& endpoints) const {
  return WriteFileAtomically(File(kEndpoints), endpoints.dump(2) + "\n");
}

Status RunDirectory::WriteOwner(bool stopping) const {
  const auto self = StampOf(::getpid());
  if (!self) return Unavailable("/proc does not tell of this process");
  const json owner = {
      {"pid", self->pid}, {"started", self->started}, {"boot", self->boot}, {"stopping", stopping}};
  return WriteFileAtomically(File(kOwner), owner.dump() + "\n");
}

void RunDirectory::NoteStopping() const {
  // Without the note a second `promptcache down` would ask again, which ends it at once.
  (void)WriteOwner(true).ok();
}

void RunDirectory::RemoveState() const {
  std::error_code ignored;
  fs::remove(File(kEndpoints), ignored);
  fs::remove(File(kOwner), ignored);
  for (const fs::path& file : ReadyFilesIn(path_)) fs::remove(file, ignored);
}

Result<bool> RunDirectory::IsTaken(const std::string& path) {
  const std::string lock = (fs::path(path) / kLock).string();
  const int file = ::open(lock.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0 && errno == ENOENT) {
    return NotFound("no cluster was started in " + path +
                    "; --run-directory says where `promptcache up` was told to keep its files");
  }
  if (file < 0) return Unavailable("cannot open " + lock + ": " + std::strerror(errno));
  const bool taken = ::flock(file, LOCK_SH | LOCK_NB) != 0;
  ::close(file);
  return taken;
}

Status RunDirectory::CheckFree(const std::string& path) {
  const auto taken = IsTaken(path);
  return taken.ok() && *taken ? InUse(path) : Status();
}

std::optional<RunDirectoryOwner> RunDirectory::OwnerOf(const std::string& path) {
  const json owner = ReadJson(fs::path(path) / kOwner);
  const auto stamp = StampIn(owner);
  if (!stamp) return std::nullopt;
  const auto stopping = owner.find("stopping");
  return RunDirectoryOwner{*stamp, stopping != owner.end() && *stopping == true};
}

std::vector<RunDirectory::Member> RunDirectory::LiveMembers(const std::string& path) {
  std::vector<Member> members;
  for (const fs::path& file : ReadyFilesIn(path)) {
    const auto stamp = StampIn(ReadJson(file));
    if (stamp && StampOf(stamp->pid) == stamp) members.push_back({file.stem().string(), *stamp});
  }
  return members;
}

}  // namespace promptcache

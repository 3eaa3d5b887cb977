// The directory of a local cluster that runs: logs, ready files, whose it is and where it serves.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/process_stamp.h"
#include "common/status.h"

namespace promptcache {

// What is said of the cluster that runs in a directory, or ran there.
struct RunDirectoryOwner {
  ProcessStamp supervisor;
  bool stopping = false;
};

// Held by whoever supervises the cluster, for as long as this lives: two would write each other's
// files. Not thread safe.
class RunDirectory {
 public:
  // Makes the directory and takes it. kFailedPrecondition when another cluster has it, kUnavailable
  // when it cannot be written.
  static Result<RunDirectory> Take(const std::string& path);
  ~RunDirectory();
  RunDirectory(RunDirectory&& other) noexcept;
  RunDirectory& operator=(RunDirectory&&) = delete;

  std::string File(const std::string& name) const;
  std::string ReadyFile(const std::string& process) const { return File(process + ".ready"); }
  std::string LogFile(const std::string& process) const { return File(process + ".log"); }
  // A cluster ran here that was not stopped in order.
  bool was_stale() const { return was_stale_; }

  // For programs that look for the cluster.
  Status WriteEndpoints(const nlohmann::json& endpoints) const;
  // Whoever would ask the cluster to stop need not any more.
  void NoteStopping() const;
  // Removes what says that a cluster runs here. Logs and the store stay.
  void RemoveState() const;

  // ---- for others than the supervisor ----

  // Whether a supervisor has it. kNotFound when no cluster ever ran there.
  static Result<bool> IsTaken(const std::string& path);
  // kFailedPrecondition when a supervisor has it.
  static Status CheckFree(const std::string& path);
  // nullopt when nothing (readable) is said.
  static std::optional<RunDirectoryOwner> OwnerOf(const std::string& path);
  struct Member {
    std::string name;
    ProcessStamp stamp;
  };
  // Processes of the cluster that have been ready and have not ended.
  static std::vector<Member> LiveMembers(const std::string& path);

 private:
  RunDirectory(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}
  Status WriteOwner(bool stopping) const;

  std::string path_;
  int lock_;
  bool was_stale_ = false;
};

}  // namespace promptcache

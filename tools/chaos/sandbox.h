// What a nemesis needs of the system: mounts and network namespaces, which it does not get
// everywhere, and false clocks. All of it goes with this process, however it ends.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/file_descriptor.h"
#include "common/status.h"
#include "tools/chaos/topology.h"

namespace promptcache::chaos {

enum class NetworkUse : uint8_t { kLoopback, kNamespaces };

// Gives this process mounts of its own and, with kNamespaces, a network of its own. Call before any
// thread starts. kFailedPrecondition where it is not permitted: nothing has changed then.
Status EnterSandbox(NetworkUse use);

// A small disk of a process that can be filled up.
class SmallDisk {
 public:
  // Mounts it on `directory`, which is created. REQUIRES: EnterSandbox was OK.
  static Result<std::unique_ptr<SmallDisk>> Mount(const std::string& directory);
  ~SmallDisk();

  void Fill();  // until nothing more can be written
  void Free();

 private:
  explicit SmallDisk(std::string directory) : directory_(std::move(directory)) {}
  const std::string directory_;
};

// The time of day of a process, by a library that is preloaded into it (false_clock.cpp); what it
// measures durations with stays true.
class FalseClock {
 public:
  // `library`: the path of that library. `file` is created, for the time that the clock is off.
  static Result<std::unique_ptr<FalseClock>> Create(const std::string& library,
                                                    const std::string& file);

  // What stands before the process's command line.
  std::vector<std::string> prefix() const;
  void Set(int64_t seconds_off);

 private:
  FalseClock(std::string library, std::string file, FileDescriptor open)
      : library_(std::move(library)), file_(std::move(file)), open_(std::move(open)) {}
  const std::string library_;
  const std::string file_;
  const FileDescriptor open_;
};

// A network namespace for each process of a topology with direct links, joined by a bridge.
class Namespaces {
 public:
  // REQUIRES: EnterSandbox(kNamespaces) was OK.
  static Result<std::unique_ptr<Namespaces>> Create(const Topology& topology);

  // Why links cannot be made slow; OK where they can.
  const Status& slowness() const { return slowness_; }
  std::vector<std::string> prefix(const std::string& node) const;
  void Isolate(const std::string& node);
  void SlowDown(const std::string& node);
  void Restore(const std::string& node);

 private:
  Status AddNode(const Node& node);
  std::string DeviceOf(const std::string& node) const;

  std::map<std::string, std::string> devices_;  // on the bridge, by node
  Status slowness_;
};

}  // namespace promptcache::chaos

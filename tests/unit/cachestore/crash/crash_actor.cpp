// Runs a script on a store and dies at a chosen point of it:
// crash_actor DIRECTORY SCRIPT POINT kill|power SEED. For point 0 it lives, and the last line is
// "operations N". It also dies while it opens the store, when the script is "open".
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cachestore/disk/environment.h"
#include "tests/unit/cachestore/crash/crash_file_system.h"
#include "tests/unit/cachestore/crash/crash_script.h"

namespace promptcache::testing {
namespace {

Status Act(const std::string& directory, const std::string& name,
           const std::shared_ptr<CrashFileSystem>& files, uint64_t seed) {
  const auto env = rocksdb::NewCompositeEnv(files);
  FakeClock clock;
  DiskStoreOptions options{
      .directory = directory, .maintain_every = std::chrono::milliseconds(0), .clock = &clock};
  options.environment =
      std::make_shared<internal::DiskEnvironment>(internal::DiskEnvironment{.env = env.get()});
  if (name == "prepare") {
    PC_ASSIGN_OR_RETURN(const auto store, OpenDiskStore(options));
    return PrepareCrashStore(*store);
  }
  if (name == "open") {
    files->Arm();
    return OpenDiskStore(options).status();
  }
  for (const CrashScript& script : CrashScripts()) {
    if (script.name != name) continue;
    options.quota_bytes = script.quota_bytes;
    PC_ASSIGN_OR_RETURN(const auto store, OpenDiskStore(options));
    files->Arm();
    return script.run(*store, clock, seed);
  }
  return NotFound("no script " + name);
}

}  // namespace
}  // namespace promptcache::testing

int main(int argc, char** argv) {
  using namespace promptcache::testing;
  if (argc != 6) return 2;
  const auto files = std::make_shared<CrashFileSystem>(
      std::strcmp(argv[4], "power") == 0 ? CrashKind::kPowerCut : CrashKind::kKill,
      std::strtoull(argv[3], nullptr, 10));
  const promptcache::Status status =
      Act(argv[1], argv[2], files, std::strtoull(argv[5], nullptr, 10));
  std::printf("operations %llu\n", static_cast<unsigned long long>(files->operations()));
  if (!status.ok()) std::fprintf(stderr, "crash_actor: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}

// A process that writes blobs until it is killed: crash_writer DIRECTORY. After each commit it
// prints the seed of the blob, and there is always a put that is not finished. Its blobs are those
// of CrashBlob (crash_blob.h).
#include <cstdio>

#include "cachestore/disk/open.h"
#include "tests/unit/cachestore/crash_blob.h"
#include "tests/unit/cachestore/store_tools.h"

namespace promptcache::testing {
namespace {

Status Write(const std::string& directory) {
  PC_ASSIGN_OR_RETURN(const auto store, OpenDiskStore({.directory = directory}));
  BlobStore& blobs = store->blobs();
  for (uint32_t seed = 0;; ++seed) {
    const SampleBlob unfinished = CrashBlob(kNeverCommitted + seed);
    PC_ASSIGN_OR_RETURN(const auto writer,
                        blobs.StartPut({unfinished.key, unfinished.bytes.size()}));
    const auto most = std::span(unfinished.bytes).first(unfinished.bytes.size() - 1);
    PC_RETURN_IF_ERROR(writer->Append(most));
    const SampleBlob blob = CrashBlob(seed);
    PC_RETURN_IF_ERROR(PutBytes(blobs, blob.key, blob.bytes));
    std::printf("%u\n", seed);
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace promptcache::testing

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const promptcache::Status status = promptcache::testing::Write(argv[1]);
  std::fprintf(stderr, "crash_writer: %s\n", status.ToString().c_str());
  return 1;
}

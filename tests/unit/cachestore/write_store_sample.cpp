// Writes a golden store (tests/golden/store): write_store_sample DIRECTORY.
#include <cstdio>
#include <filesystem>

#include "cachestore/disk/open.h"
#include "tests/fakes/fake_clock.h"
#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/store_tools.h"

namespace promptcache::testing {
namespace {

constexpr char kSchemaKey[] = "schema/golden/0123456789abcdef";

Status Write(const std::string& directory) {
  FakeClock clock;
  PC_ASSIGN_OR_RETURN(const auto store, OpenDiskStore({.directory = directory,
                                                       .maintain_every = std::chrono::seconds(0),
                                                       .clock = &clock}));
  std::vector<SampleBlob> blobs;
  for (const uint32_t seed : {1u, 2u, 3u}) blobs.push_back(MakeSampleBlob({.seed = seed}));
  blobs.push_back(MakeLargeBlob(4, (1 << 20) + 4096));
  for (const SampleBlob& blob : blobs) {
    PC_RETURN_IF_ERROR(PutBytes(store->blobs(), blob.key, blob.bytes));
  }
  const UnitImport import{
      blobs[0].key,
      {{.schema = "golden", .version = "0123456789abcdef", .module = "golden/one"}, {}}};
  PC_RETURN_IF_ERROR(store->blobs().RecordImports({&import, 1}));
  PC_RETURN_IF_ERROR(store->admin().SetPins({.keys = {blobs[1].key}}, PinChange::kPin).status());
  PC_ASSIGN_OR_RETURN(const uint64_t revision,
                      store->meta().CompareAndSet(kSchemaKey, 0, "{\"format\":2}"));
  PC_RETURN_IF_ERROR(store->meta().CompareAndSet(kSchemaKey, revision, "{\"format\":3}").status());
  PC_RETURN_IF_ERROR(store->meta().CompareAndSet("job/1", 0, "queued").status());
  return store->meta().CompareAndSet("note", 0, "kept").status();
}

}  // namespace
}  // namespace promptcache::testing

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const promptcache::Status status = promptcache::testing::Write(argv[1]);
  if (!status.ok()) std::fprintf(stderr, "write_store_sample: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}

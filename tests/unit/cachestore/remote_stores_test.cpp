// The conformance tests over a remote store: every medium behind the server, every transport
// between: inproc in messages, ipc through shared memory, tcp in streams.
#include "tests/unit/cachestore/local_stores.h"
#include "tests/unit/cachestore/served_store.h"

namespace promptcache::testing {
namespace {

enum class Wire { kInproc, kIpc, kTcp };

std::string EndpointOf(Wire wire, const TempDir& dir) {
  switch (wire) {
    case Wire::kInproc:
      return "inproc://store";
    case Wire::kIpc:
      return "ipc://" + dir.Sub("socket");
    case Wire::kTcp:
      break;
  }
  return "tcp://127.0.0.1:*";
}

class RemoteStores : public OpenStore {
 public:
  RemoteStores(Medium medium, Wire wire, uint64_t max_blob_bytes)
      : local_(OpenLocal(medium, max_blob_bytes)),
        // Small chunks and windows, so that the tests' blobs need many of both.
        served_(local_->blobs(), &local_->meta(),
                {.endpoint = EndpointOf(wire, dir_),
                 .chunk_bytes = 256 << 10,
                 .put_window_bytes = 1 << 20}),
        remote_(served_.Connect([] {
          RemoteStoreOptions options = PatientRemote();
          options.window_bytes = 1 << 20;
          return options;
        }())) {}

  BlobStore& blobs() override { return *remote_; }
  StoreAdmin& admin() override { return *remote_; }
  MetaStore& meta() override { return *remote_; }

 private:
  TempDir dir_;
  std::unique_ptr<OpenStore> local_;
  ServedStore served_;
  std::unique_ptr<RemoteStore> remote_;
};

StoreKind Kind(const std::string& name, Medium medium, Wire wire) {
  return {.name = name, .open = [medium, wire](uint64_t max) {
            return std::make_unique<RemoteStores>(medium, wire, max);
          }};
}

const StoreKind kKinds[] = {Kind("MemoryOverInproc", Medium::kMemory, Wire::kInproc),
                            Kind("MemoryOverIpc", Medium::kMemory, Wire::kIpc),
                            Kind("MemoryOverTcp", Medium::kMemory, Wire::kTcp),
                            Kind("DiskOverInproc", Medium::kDisk, Wire::kInproc),
                            Kind("DiskOverIpc", Medium::kDisk, Wire::kIpc),
                            Kind("DiskOverTcp", Medium::kDisk, Wire::kTcp)};

INSTANTIATE_TEST_SUITE_P(RemoteStores, StoreConformance, ::testing::ValuesIn(kKinds),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace promptcache::testing

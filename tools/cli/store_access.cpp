#include "tools/cli/store_access.h"

#include <thread>

#include "cachestore/disk/open.h"
#include "cachestore/service/remote_store.h"
#include "cluster/transport/zmq_transport.h"

namespace promptcache {
namespace {

class DirectoryAccess : public StoreAccess {
 public:
  explicit DirectoryAccess(std::unique_ptr<DiskStore> store) : store_(std::move(store)) {}
  BlobStore& blobs() override { return store_->blobs(); }

 private:
  const std::unique_ptr<DiskStore> store_;
};

class DaemonAccess : public StoreAccess {
 public:
  DaemonAccess(std::unique_ptr<ZmqTransport> transport, const std::string& endpoint)
      : transport_(std::move(transport)),
        store_(RemoteStore::Create(*transport_, {.endpoint = endpoint,
                                                 .name = "promptcache-cli",
                                                 .connect_timeout = std::chrono::seconds(3)})),
        reactor_([this] { transport_->Run(); }) {}

  ~DaemonAccess() override {
    store_.reset();
    transport_->Stop();
  }

  BlobStore& blobs() override { return *store_; }

 private:
  const std::unique_ptr<ZmqTransport> transport_;
  std::unique_ptr<RemoteStore> store_;
  std::jthread reactor_;
};

}  // namespace

Result<std::unique_ptr<StoreAccess>> OpenStoreAccess(const CommandContext& context,
                                                     const std::string& endpoint,
                                                     const std::string& directory) {
  if (!directory.empty()) {
    PC_ASSIGN_OR_RETURN(auto store, OpenDiskStoreReadOnly(directory));
    return std::unique_ptr<StoreAccess>(std::make_unique<DirectoryAccess>(std::move(store)));
  }
  PC_ASSIGN_OR_RETURN(const Settings settings, SettingsOf(context));
  PC_ASSIGN_OR_RETURN(auto transport, ZmqTransport::Create());
  return std::unique_ptr<StoreAccess>(std::make_unique<DaemonAccess>(
      std::move(transport), endpoint.empty() ? settings.store.endpoint : endpoint));
}

}  // namespace promptcache

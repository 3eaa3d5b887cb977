#include "tools/cli/store/access.h"

#include <filesystem>
#include <thread>

#include "cachestore/disk/open.h"
#include "cachestore/service/remote_store.h"
#include "cluster/transport/zmq_transport.h"

namespace promptcache {
namespace {

// A store that looks through all it has says nothing meanwhile; that it is gone is found out by the
// link.
constexpr std::chrono::minutes kPatience{10};

class DirectoryAccess : public StoreAccess {
 public:
  DirectoryAccess(std::unique_ptr<DiskStore> store, OpenFor purpose)
      : store_(std::move(store)), purpose_(purpose) {}
  BlobStore& blobs() override { return store_->blobs(); }
  StoreAdmin& admin() override { return store_->admin(); }
  MetaStore& meta() override { return store_->meta(); }
  Result<StoreStats> Stats() override {
    PC_ASSIGN_OR_RETURN(StoreStats stats, store_->blobs().Stats());
    if (purpose_ == OpenFor::kLooking) stats.read_only.clear();
    return stats;
  }
  std::string opening() const override {
    const std::string& moved_to = store_->report().quarantined_to;
    if (moved_to.empty()) return "";
    return "the database was damaged and is now in " + moved_to + "; the store is empty";
  }

 private:
  const std::unique_ptr<DiskStore> store_;
  const OpenFor purpose_;
};

class DaemonAccess : public StoreAccess {
 public:
  DaemonAccess(std::unique_ptr<ZmqTransport> transport, const std::string& endpoint)
      : transport_(std::move(transport)),
        store_(RemoteStore::Create(*transport_, {.endpoint = endpoint,
                                                 .name = "promptcache-cli",
                                                 .timeout = kPatience,
                                                 .connect_timeout = std::chrono::seconds(3)})),
        reactor_([this] { transport_->Run(); }) {}

  ~DaemonAccess() override {
    store_.reset();
    transport_->Stop();
  }

  BlobStore& blobs() override { return *store_; }
  StoreAdmin& admin() override { return *store_; }
  MetaStore& meta() override { return *store_; }
  std::string opening() const override { return ""; }

 private:
  const std::unique_ptr<ZmqTransport> transport_;
  std::unique_ptr<RemoteStore> store_;
  std::jthread reactor_;
};

Result<std::unique_ptr<StoreAccess>> OpenDirectory(const DiskStoreOptions& options,
                                                   OpenFor purpose) {
  const std::filesystem::path directory = options.directory;
  if (purpose != OpenFor::kFilling && !std::filesystem::exists(directory / "CURRENT")) {
    return NotFound("there is no store in " + options.directory);
  }
  PC_ASSIGN_OR_RETURN(auto store, purpose == OpenFor::kLooking ? OpenDiskStoreReadOnly(options)
                                                               : OpenDiskStore(options));
  return std::unique_ptr<StoreAccess>(std::make_unique<DirectoryAccess>(std::move(store), purpose));
}

}  // namespace

Result<std::unique_ptr<StoreAccess>> OpenStoreAccess(const CommandContext& context,
                                                     const StoreTarget& target, OpenFor purpose) {
  PC_ASSIGN_OR_RETURN(Settings settings, SettingsOf(context));
  if (!target.directory.empty()) {
    settings.store.directory = target.directory;
    return OpenDirectory(DiskStoreOptionsOf(settings.store), purpose);
  }
  const std::string& endpoint = target.endpoint.empty() ? settings.store.endpoint : target.endpoint;
  PC_ASSIGN_OR_RETURN(LinkSecurity security,
                      LoadLinkSecurity(settings.security, "client", {PeerRole::kAdmin}));
  PC_RETURN_IF_ERROR(ParseEndpointFor(security, endpoint, EndpointUse::kConnect).status());
  PC_ASSIGN_OR_RETURN(auto transport, ZmqTransport::Create({.security = std::move(security)}));
  return std::unique_ptr<StoreAccess>(
      std::make_unique<DaemonAccess>(std::move(transport), endpoint));
}

}  // namespace promptcache

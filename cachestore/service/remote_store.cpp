#include "cachestore/service/remote_store.h"

#include "cachestore/meta_page.h"
#include "cachestore/service/remote_link.h"
#include "cachestore/service/remote_transfer.h"
#include "cachestore/service/stream_reader.h"

namespace promptcache {
namespace {

// The answer of a request that has exactly one, as a T. A Reply instead is its error.
template <typename T>
Result<T> CallOnce(const std::shared_ptr<RemoteLink>& link, Message request) {
  PC_RETURN_IF_ERROR(link->WaitUp());
  RemoteLink::Call call(link, std::move(request));
  PC_ASSIGN_OR_RETURN(RemoteMessage message, call.Next());
  if (auto* answer = std::get_if<T>(&message.body)) return std::move(*answer);
  if (const auto* reply = std::get_if<Reply>(&message.body)) {
    if (reply->code != Code::kOk) return StatusOf(reply->code, reply->message);
  }
  return UnexpectedAnswer();
}

Status CallForStatus(const std::shared_ptr<RemoteLink>& link, Message request) {
  PC_ASSIGN_OR_RETURN(const Reply reply, CallOnce<Reply>(link, std::move(request)));
  return StatusOf(reply.code, reply.message);
}

class RemoteStoreImpl : public RemoteStore {
 public:
  RemoteStoreImpl(Transport& transport, const RemoteStoreOptions& options)
      : link_(std::make_shared<RemoteLink>(transport, options)) {
    link_->Start();
  }
  ~RemoteStoreImpl() override { link_->Stop(); }

  RemoteReads reads() const override { return link_->reads(); }

  // ---- blobs ----

  Result<std::unique_ptr<BlobWriter>> StartPut(const PutRequest& put) override {
    return StartRemotePut(link_, put);
  }

  Result<std::unique_ptr<BlobReader>> Open(const UnitKey& key) override {
    return OpenStreamedBlob(link_, {.key = key});
  }

  Result<std::unique_ptr<BlobReader>> Inspect(const UnitKey& key) override {
    return OpenStreamedBlob(link_, {.key = key, .inspect = true});
  }

  Result<std::vector<bool>> Contains(std::span<const UnitKey> keys) override {
    PC_ASSIGN_OR_RETURN(const auto reply,
                        CallOnce<BlobExistsReply>(link_, BlobExists{{keys.begin(), keys.end()}}));
    if (reply.present.size() != keys.size()) return UnexpectedAnswer();
    return std::vector<bool>(reply.present.begin(), reply.present.end());
  }

  Result<BlobPage> List(const BlobPageRequest& request) override {
    PC_ASSIGN_OR_RETURN(
        const auto reply,
        CallOnce<BlobListReply>(link_, BlobList{.after = request.after, .limit = request.limit}));
    BlobPage page{.more = reply.more};
    for (const BlobRecord& record : reply.blobs) page.blobs.push_back(InfoOf(record));
    return page;
  }

  Status RecordImports(std::span<const UnitImport> imports) override {
    return CallForStatus(link_, promptcache::RecordImports{{imports.begin(), imports.end()}});
  }

  Status Remove(const UnitKey& key) override {
    return CallForStatus(link_, BlobRemove{key, false});
  }
  Status ReportCorrupt(const UnitKey& key) override {
    return CallForStatus(link_, BlobRemove{key, true});
  }

  Result<StoreStats> Stats() override { return CallOnce<StoreStats>(link_, StoreStatsQuery{}); }

  // ---- what operators do ----

  Result<RemovalReceipt> RemoveReferences(const BlobSelector& selector, Erasure erasure) override {
    return CallOnce<RemovalReceipt>(link_, promptcache::RemoveReferences{selector, erasure});
  }
  Result<PinReceipt> SetPins(const BlobSelector& selector, PinChange change) override {
    return CallOnce<PinReceipt>(link_, promptcache::SetPins{selector, change});
  }
  Result<CheckReport> Check(CheckMode mode) override {
    return CallOnce<CheckReport>(link_, CheckStore{mode});
  }
  Result<GarbageReport> CollectGarbage() override {
    return CallOnce<GarbageReport>(link_, promptcache::CollectGarbage{});
  }

  // ---- meta ----

  Result<std::optional<MetaEntry>> Get(const std::string& key) override {
    PC_ASSIGN_OR_RETURN(auto reply, CallOnce<MetaReply>(link_, MetaGet{key}));
    if (reply.entries.empty()) return std::optional<MetaEntry>();
    return std::optional<MetaEntry>(EntryOf(std::move(reply.entries.front())));
  }

  Result<uint64_t> CompareAndSet(const std::string& key, uint64_t expected,
                                 const std::string& value, const MetaFence& fence = {}) override {
    PC_ASSIGN_OR_RETURN(const auto reply,
                        CallOnce<MetaReply>(link_, MetaSet{.key = key,
                                                           .expected = expected,
                                                           .value = value,
                                                           .fence = fence.key,
                                                           .fence_revision = fence.revision}));
    if (reply.entries.size() != 1) return UnexpectedAnswer();
    return reply.entries.front().revision;
  }

  Status CompareAndRemove(const std::string& key, uint64_t expected,
                          const MetaFence& fence = {}) override {
    return CallForStatus(link_, MetaSet{.key = key,
                                        .expected = expected,
                                        .remove = true,
                                        .fence = fence.key,
                                        .fence_revision = fence.revision});
  }

  Result<MetaPage> Page(const MetaPageRequest& request) override {
    PC_ASSIGN_OR_RETURN(
        auto reply,
        CallOnce<MetaReply>(link_, MetaList{request.prefix, request.after, request.limit}));
    MetaPageBuilder builder(request.limit, request.limit_bytes);
    for (MetaRecord& record : reply.entries) {
      if (!builder.Add(EntryOf(std::move(record)))) return builder.Finish();
    }
    PC_ASSIGN_OR_RETURN(MetaPage page, builder.Finish());
    page.more = reply.more;
    return page;
  }

 private:
  const std::shared_ptr<RemoteLink> link_;
};

}  // namespace

std::unique_ptr<RemoteStore> RemoteStore::Create(Transport& transport,
                                                 const RemoteStoreOptions& options) {
  return std::make_unique<RemoteStoreImpl>(transport, options);
}

}  // namespace promptcache

#include "cachestore/service/remote_store.h"

#include <algorithm>
#include <cstring>

#include "cachestore/service/remote_link.h"

namespace promptcache {
namespace {

constexpr uint64_t kPutChunkBytes = 1 << 20;
constexpr uint64_t kSkipAtMost = 64 << 10;  // padding that is cheaper to read past than to ask anew

Status StatusOf(Code code, const std::string& message) {
  return code == Code::kOk ? Status() : Status(code, message);
}

Status Unexpected() { return Unavailable("the cachestore gave an answer of another kind"); }

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
  return Unexpected();
}

Status CallForStatus(const std::shared_ptr<RemoteLink>& link, Message request) {
  PC_ASSIGN_OR_RETURN(const Reply reply, CallOnce<Reply>(link, std::move(request)));
  return StatusOf(reply.code, reply.message);
}

// Reads forward through one fetch; a jump starts another.
class RemoteReader : public BlobReader {
 public:
  RemoteReader(std::shared_ptr<RemoteLink> link, const UnitKey& key)
      : link_(std::move(link)), key_(key) {}

  ~RemoteReader() override {
    if (call_) call_->Abandon();
  }

  // Learns the size from the first chunk, which stays for the first Read.
  Status Open() {
    PC_RETURN_IF_ERROR(link_->WaitUp());
    StartAt(0);
    return NextChunk();
  }

  uint64_t size() const override { return size_; }

  Status Read(uint64_t offset, std::span<uint8_t> out) override {
    if (offset > size_ || out.size() > size_ - offset) {
      return InvalidArgument("read past the end of a blob of " + std::to_string(size_) + " bytes");
    }
    if (out.empty()) return {};
    const bool near = call_ && offset >= position_ && offset - position_ <= kSkipAtMost;
    if (!near) {
      PC_RETURN_IF_ERROR(link_->WaitUp());
      StartAt(offset);
    }
    PC_RETURN_IF_ERROR(Consume(offset - position_, nullptr));
    return Consume(out.size(), out.data());
  }

 private:
  void StartAt(uint64_t offset) {
    if (call_) call_->Abandon();
    position_ = offset;
    unread_ = {};
    chunk_ = {};
    call_ = std::make_unique<RemoteLink::Call>(
        link_, FetchBlob{.key = key_, .offset = offset, .credit = link_->options().window_bytes});
  }

  // Copies (or, without a destination, drops) the next bytes.
  Status Consume(uint64_t count, uint8_t* into) {
    while (count > 0) {
      if (unread_.empty()) PC_RETURN_IF_ERROR(NextChunk());
      const uint64_t part = std::min<uint64_t>(count, unread_.size());
      if (into != nullptr) {
        std::memcpy(into, unread_.data(), part);
        into += part;
      }
      unread_ = unread_.subspan(part);
      position_ += part;
      count -= part;
    }
    return {};
  }

  Status NextChunk() {
    if (!chunk_.empty()) call_->Send(Credit{chunk_.size()});
    chunk_ = {};
    Result<RemoteMessage> message = call_->Next();
    if (!message.ok()) return Drop(message.status());
    if (const auto* done = std::get_if<Done>(&message->body)) {
      return Drop(done->code == Code::kOk ? DataLoss("the blob ended early")
                                          : StatusOf(done->code, done->message));
    }
    const auto* chunk = std::get_if<Chunk>(&message->body);
    const bool fits = chunk != nullptr && !message->payload.empty() && chunk->offset == position_ &&
                      message->payload.size() <= chunk->blob_bytes - chunk->offset &&
                      (size_ == 0 || chunk->blob_bytes == size_);
    if (!fits) return Drop(Unexpected());
    size_ = chunk->blob_bytes;
    chunk_ = std::move(message->payload);
    unread_ = chunk_.bytes();
    return {};
  }

  Status Drop(Status status) {
    call_.reset();
    unread_ = {};
    chunk_ = {};
    return status;
  }

  const std::shared_ptr<RemoteLink> link_;
  const UnitKey key_;
  uint64_t size_ = 0;
  uint64_t position_ = 0;  // of the first unread byte
  std::unique_ptr<RemoteLink::Call> call_;
  Frame chunk_;
  std::span<const uint8_t> unread_;
};

class RemoteWriter : public BlobWriter {
 public:
  RemoteWriter(std::shared_ptr<RemoteLink> link, uint64_t bytes)
      : link_(std::move(link)), left_(bytes) {}

  ~RemoteWriter() override {
    if (call_ && !ended_) call_->Abandon();
  }

  Status Start(const UnitKey& key) {
    PC_RETURN_IF_ERROR(link_->WaitUp());
    call_ = std::make_unique<RemoteLink::Call>(link_, PutBlob{key, left_});
    return WaitCredit();
  }

  Status Append(std::span<const uint8_t> bytes) override {
    if (bytes.size() > left_) {
      return InvalidArgument("more bytes than the " + std::to_string(left_) + " that are left");
    }
    left_ -= bytes.size();
    while (!bytes.empty()) {
      if (credit_ == 0) PC_RETURN_IF_ERROR(WaitCredit());
      const uint64_t count = std::min<uint64_t>({bytes.size(), credit_, kPutChunkBytes});
      call_->Send(Chunk{}, Frame::Copy(bytes.first(count)));
      credit_ -= count;
      bytes = bytes.subspan(count);
    }
    return {};
  }

  Status Commit() override {
    if (left_ > 0) return InvalidArgument(std::to_string(left_) + " bytes are missing");
    call_->Send(PutCommit{});
    while (!ended_) PC_RETURN_IF_ERROR(WaitCredit());
    return final_;
  }

 private:
  // Takes one message: credit, or the end.
  Status WaitCredit() {
    Result<RemoteMessage> message = call_->Next();
    if (!message.ok()) return message.status();
    if (const auto* credit = std::get_if<Credit>(&message->body)) {
      credit_ += credit->bytes;
      return {};
    }
    const auto* done = std::get_if<Done>(&message->body);
    if (done == nullptr) return Unexpected();
    ended_ = true;
    final_ = StatusOf(done->code, done->message);
    return final_;
  }

  const std::shared_ptr<RemoteLink> link_;
  uint64_t left_;
  uint64_t credit_ = 0;
  bool ended_ = false;
  Status final_;
  std::unique_ptr<RemoteLink::Call> call_;
};

class RemoteStoreImpl : public RemoteStore {
 public:
  RemoteStoreImpl(Transport& transport, const RemoteStoreOptions& options)
      : link_(std::make_shared<RemoteLink>(transport, options)) {
    link_->Start();
  }
  ~RemoteStoreImpl() override { link_->Stop(); }

  // ---- blobs ----

  Result<std::unique_ptr<BlobWriter>> StartPut(const UnitKey& key, uint64_t bytes) override {
    auto writer = std::make_unique<RemoteWriter>(link_, bytes);
    PC_RETURN_IF_ERROR(writer->Start(key));
    return std::unique_ptr<BlobWriter>(std::move(writer));
  }

  Result<std::unique_ptr<BlobReader>> Open(const UnitKey& key) override {
    auto reader = std::make_unique<RemoteReader>(link_, key);
    PC_RETURN_IF_ERROR(reader->Open());
    return std::unique_ptr<BlobReader>(std::move(reader));
  }

  Result<std::vector<bool>> Contains(std::span<const UnitKey> keys) override {
    PC_ASSIGN_OR_RETURN(const auto reply,
                        CallOnce<BlobExistsReply>(link_, BlobExists{{keys.begin(), keys.end()}}));
    if (reply.present.size() != keys.size()) return Unexpected();
    return std::vector<bool>(reply.present.begin(), reply.present.end());
  }

  Result<std::vector<BlobInfo>> List() override {
    PC_ASSIGN_OR_RETURN(const auto reply, CallOnce<BlobListReply>(link_, BlobList{}));
    std::vector<BlobInfo> blobs;
    for (const BlobRecord& record : reply.blobs) {
      blobs.push_back({.key = record.key,
                       .recipe = record.recipe,
                       .identity = record.identity,
                       .mode = record.mode,
                       .bytes = record.bytes,
                       .tokens = record.tokens,
                       .context_tokens = record.context_tokens,
                       .committed_unix_ms = record.committed_unix_ms,
                       .encode_seconds = record.encode_seconds});
    }
    return blobs;
  }

  Status Remove(const UnitKey& key) override {
    return CallForStatus(link_, BlobRemove{key, false});
  }
  Status ReportCorrupt(const UnitKey& key) override {
    return CallForStatus(link_, BlobRemove{key, true});
  }

  Result<StoreStats> Stats() override {
    PC_ASSIGN_OR_RETURN(const auto reply, CallOnce<BlobListReply>(link_, BlobList{}));
    return StoreStats{.blobs = reply.blobs.size(),
                      .bytes = reply.bytes,
                      .puts = reply.puts,
                      .gets = reply.gets,
                      .hits = reply.hits,
                      .corruptions = reply.corruptions};
  }

  // ---- meta ----

  Result<std::optional<MetaEntry>> Get(const std::string& key) override {
    PC_ASSIGN_OR_RETURN(const auto reply, CallOnce<MetaReply>(link_, MetaGet{key}));
    if (reply.entries.empty()) return std::optional<MetaEntry>();
    const MetaRecord& record = reply.entries.front();
    return std::optional<MetaEntry>({record.key, record.value, record.revision});
  }

  Result<uint64_t> CompareAndSet(const std::string& key, uint64_t expected,
                                 const std::string& value) override {
    PC_ASSIGN_OR_RETURN(const auto reply,
                        CallOnce<MetaReply>(link_, MetaSet{key, expected, false, value}));
    if (reply.entries.size() != 1) return Unexpected();
    return reply.entries.front().revision;
  }

  Status CompareAndRemove(const std::string& key, uint64_t expected) override {
    return CallForStatus(link_, MetaSet{key, expected, true, ""});
  }

  Result<std::vector<MetaEntry>> List(const std::string& prefix) override {
    PC_ASSIGN_OR_RETURN(const auto reply, CallOnce<MetaReply>(link_, MetaList{prefix}));
    std::vector<MetaEntry> entries;
    for (const MetaRecord& record : reply.entries) {
      entries.push_back({record.key, record.value, record.revision});
    }
    return entries;
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

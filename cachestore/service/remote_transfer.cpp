#include "cachestore/service/remote_transfer.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "cachestore/service/shared_window.h"

namespace promptcache {
namespace {

constexpr uint64_t kSkipBytes = 64 << 10;  // padding that is cheaper to read past than to ask anew

// Reads forward through one fetch; a jump starts another.
class RemoteReader : public BlobReader {
 public:
  RemoteReader(std::shared_ptr<RemoteLink> link, const FetchBlob& fetch)
      : link_(std::move(link)), fetch_(fetch) {}

  ~RemoteReader() override {
    if (call_) call_->Abandon();
    LeaveWindow();
  }

  // Learns the size from the first chunk, which stays for the first Read.
  Status Open() {
    PC_RETURN_IF_ERROR(link_->WaitUp());
    StartAt(fetch_.offset);
    return NextChunk();
  }

  uint64_t size() const override { return size_; }

  Status Read(uint64_t offset, std::span<uint8_t> out) override {
    if (offset > size_ || out.size() > size_ - offset) {
      return InvalidArgument("read past the end of a blob of " + std::to_string(size_) + " bytes");
    }
    if (out.empty()) return {};
    const bool near = call_ && offset >= position_ && offset - position_ <= kSkipBytes;
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
    LeaveWindow();
    position_ = offset;
    unread_ = {};
    chunk_ = {};
    taken_ = 0;
    owed_ = 0;
    FetchBlob fetch = fetch_;
    fetch.offset = offset;
    fetch.credit = link_->options().window_bytes;
    start_ = offset;
    window_ = link_->TakeWindow();
    if (window_) fetch.window = window_->name();
    call_ = std::make_unique<RemoteLink::Call>(link_, fetch);
  }

  // A server may still write what a fetch that was given up had asked for: only a window whose
  // fetch has come to its end serves another.
  void LeaveWindow() {
    const bool complete = size_ > 0 && position_ + unread_.size() == size_;
    if (window_ && complete) link_->GiveBack(std::move(window_));
    window_.reset();
  }

  // Copies (or, without a destination, drops) the next bytes.
  Status Consume(uint64_t count, uint8_t* into) {
    while (count > 0) {
      if (unread_.empty()) PC_RETURN_IF_ERROR(NextChunk());
      const uint64_t part = std::min<uint64_t>(count, unread_.size());
      if (into != nullptr) {
        std::memcpy(into, unread_.data(), part);
        link_->CountCopied(part);
        into += part;
      }
      unread_ = unread_.subspan(part);
      position_ += part;
      count -= part;
    }
    return {};
  }

  Status NextChunk() {
    owed_ += std::exchange(taken_, 0);
    chunk_ = {};
    // Not for every chunk: each message costs both sides the same, and the store is ahead.
    if (owed_ >= link_->options().window_bytes / 4) call_->Send(Credit{std::exchange(owed_, 0)});
    Result<RemoteMessage> message = call_->Next();
    if (!message.ok()) return Drop(message.status());
    if (const auto* done = std::get_if<Done>(&message->body)) {
      // The store ended a fetch that stood still; what is left is asked for anew.
      if (done->code == Code::kDeadlineExceeded && position_ > start_) {
        StartAt(position_);
        return NextChunk();
      }
      return Drop(done->code == Code::kOk ? DataLoss("the blob ended early")
                                          : StatusOf(done->code, done->message));
    }
    const auto* chunk = std::get_if<Chunk>(&message->body);
    if (chunk == nullptr) return Drop(UnexpectedAnswer());
    const bool is_shared = chunk->window_bytes > 0;
    const auto bytes = is_shared ? InWindow(chunk->window_bytes) : message->payload.bytes();
    const bool fits = !bytes.empty() && chunk->offset == position_ &&
                      bytes.size() <= chunk->blob_bytes - chunk->offset &&
                      (size_ == 0 || chunk->blob_bytes == size_);
    if (!fits) return Drop(UnexpectedAnswer());
    size_ = chunk->blob_bytes;
    link_->CountRead(bytes.size(), is_shared ? ReadWay::kWindow : ReadWay::kMessage);
    chunk_ = std::move(message->payload);
    unread_ = bytes;
    taken_ = bytes.size();
    return {};
  }

  // The bytes of the chunk at position_; none when the server lies about them.
  std::span<const uint8_t> InWindow(uint64_t count) const {
    if (!window_) return {};
    const auto bytes = window_->bytes();
    const uint64_t offset = (position_ - start_) % bytes.size();
    return count <= bytes.size() - offset ? bytes.subspan(offset, count) : bytes.first(0);
  }

  Status Drop(Status status) {
    call_->Abandon();  // needless after Done, which is rare enough
    taken_ = 0;
    call_.reset();
    unread_ = {};
    chunk_ = {};
    return status;
  }

  const std::shared_ptr<RemoteLink> link_;
  const FetchBlob fetch_;
  uint64_t size_ = 0;
  uint64_t start_ = 0;     // of the fetch that runs
  uint64_t position_ = 0;  // of the first unread byte
  uint64_t taken_ = 0;     // bytes of the chunk at hand
  uint64_t owed_ = 0;      // bytes taken for which the server has no new credit yet
  std::unique_ptr<SharedWindow> window_;
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

  Status Start(const PutRequest& put) {
    PC_RETURN_IF_ERROR(link_->WaitUp());
    call_ = std::make_unique<RemoteLink::Call>(link_, PutBlob{put.key, put.bytes, put.imports});
    return TakeMessage();
  }

  Status Append(std::span<const uint8_t> bytes) override {
    if (bytes.size() > left_) {
      return InvalidArgument("more bytes than the " + std::to_string(left_) + " that are left");
    }
    left_ -= bytes.size();
    while (!bytes.empty()) {
      const auto part = bytes.first(std::min<uint64_t>(bytes.size(), kChunkBytes - chunk_.size()));
      chunk_.insert(chunk_.end(), part.begin(), part.end());
      bytes = bytes.subspan(part.size());
      if (chunk_.size() == kChunkBytes) PC_RETURN_IF_ERROR(SendChunk());
    }
    return {};
  }

  Status Commit() override {
    if (left_ > 0) return InvalidArgument(std::to_string(left_) + " bytes are missing");
    if (committing_) return FailedPrecondition("a second commit");
    PC_RETURN_IF_ERROR(SendChunk());
    if (!ended_) call_->Send(PutCommit{});
    committing_ = true;
    while (!ended_) PC_RETURN_IF_ERROR(TakeMessage());
    return final_;
  }

 private:
  // Small pieces are collected, because every message costs both sides the same.
  static constexpr uint64_t kChunkBytes = 1 << 20;

  // Sends what was collected, in as many parts as the credit wants.
  Status SendChunk() {
    const Frame chunk = Frame::Own(std::exchange(chunk_, {}));
    std::span<const uint8_t> rest = chunk.bytes();
    while (!rest.empty()) {
      while (credit_ == 0) PC_RETURN_IF_ERROR(TakeMessage());
      const auto part = rest.first(std::min<uint64_t>(rest.size(), credit_));
      call_->Send(Chunk{}, Frame::Share(chunk.owner(), part));
      credit_ -= part.size();
      rest = rest.subspan(part.size());
    }
    return {};
  }

  // Credit, or the end. A failure ends the put.
  Status TakeMessage() {
    if (ended_) return final_;
    Result<RemoteMessage> message = call_->Next();
    const auto* credit = message.ok() ? std::get_if<Credit>(&message->body) : nullptr;
    if (credit != nullptr) {
      credit_ += std::min(credit->bytes, kMaxBlobCredit - std::min(credit_, kMaxBlobCredit));
      return {};
    }
    const auto* done = message.ok() ? std::get_if<Done>(&message->body) : nullptr;
    if (done == nullptr) {
      final_ = message.ok() ? UnexpectedAnswer() : message.status();
    } else if (done->code == Code::kOk && !(committing_ && done->committed)) {
      final_ = UnexpectedAnswer();
    } else {
      final_ = StatusOf(done->code, done->message);
    }
    // Only the store's own end makes a word about giving up needless.
    if (done == nullptr) call_->Abandon();
    ended_ = true;
    return final_;
  }

  static constexpr uint64_t kMaxBlobCredit = uint64_t{1} << 40;

  const std::shared_ptr<RemoteLink> link_;
  uint64_t left_;               // not appended yet
  std::vector<uint8_t> chunk_;  // appended, not sent yet
  uint64_t credit_ = 0;
  bool committing_ = false;
  bool ended_ = false;
  Status final_;
  std::unique_ptr<RemoteLink::Call> call_;
};

}  // namespace

Result<std::unique_ptr<BlobReader>> OpenRemoteBlob(std::shared_ptr<RemoteLink> link,
                                                   const FetchBlob& fetch) {
  auto reader = std::make_unique<RemoteReader>(std::move(link), fetch);
  PC_RETURN_IF_ERROR(reader->Open());
  return std::unique_ptr<BlobReader>(std::move(reader));
}

Result<std::unique_ptr<BlobWriter>> StartRemotePut(std::shared_ptr<RemoteLink> link,
                                                   const PutRequest& put) {
  auto writer = std::make_unique<RemoteWriter>(std::move(link), put.bytes);
  PC_RETURN_IF_ERROR(writer->Start(put));
  return std::unique_ptr<BlobWriter>(std::move(writer));
}

}  // namespace promptcache

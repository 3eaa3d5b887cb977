#include "cachestore/service/stream_reader.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "cachestore/service/remote_transfer.h"
#include "cachestore/service/stream_frames.h"
#include "common/log.h"

namespace promptcache {
namespace {

// What is cheaper to read past than to ask for anew.
constexpr uint64_t kSkipBytes = kMaxStreamPayloadBytes;

// A chunk whose bytes are still in the stream.
struct Coming {
  uint64_t offset = 0;
  uint64_t bytes = 0;
  Hash128 hash;
  uint64_t end() const { return offset + bytes; }
};

// Reads forward through one fetch; a jump starts another.
class StreamReader : public BlobReader {
 public:
  StreamReader(std::shared_ptr<RemoteLink> link, const FetchBlob& fetch)
      : link_(std::move(link)), fetch_(fetch) {}

  // Learns the size. False where there is no stream, or only a broken one.
  Result<bool> Open() {
    const Status status = Ask(0);
    if (!left_.ok()) return false;
    PC_RETURN_IF_ERROR(status);
    return true;
  }

  uint64_t size() const override { return size_; }

  Status Read(uint64_t offset, std::span<uint8_t> out) override {
    if (offset > size_ || out.size() > size_ - offset) {
      return InvalidArgument("read past the end of a blob of " + std::to_string(size_) + " bytes");
    }
    while (!out.empty() && !messages_) {
      if (!left_.ok()) {
        PC_RETURN_IF_ERROR(OpenMessages(offset));
        break;
      }
      const Result<uint64_t> count = ReadSome(offset, out);
      if (!left_.ok()) continue;
      PC_RETURN_IF_ERROR(count.status());
      offset += *count;
      out = out.subspan(*count);
    }
    return out.empty() ? Status() : messages_->Read(offset, out);
  }

 private:
  // From 1 to all bytes of `out`.
  Result<uint64_t> ReadSome(uint64_t offset, std::span<uint8_t> out) {
    if (!IsKept(offset)) {
      PC_RETURN_IF_ERROR(ComeTo(offset));
      const uint64_t bytes = coming_->bytes;
      if (coming_->offset == offset && bytes <= out.size()) {
        PC_RETURN_IF_ERROR(Receive(out.first(bytes)));
        return bytes;
      }
      PC_RETURN_IF_ERROR(Keep());
    }
    const auto rest = std::span<const uint8_t>(kept_).subspan(offset - kept_offset_);
    const uint64_t count = std::min<uint64_t>(rest.size(), out.size());
    std::memcpy(out.data(), rest.data(), count);
    link_->CountCopied(count);
    return count;
  }

  bool IsKept(uint64_t offset) const {
    return offset >= kept_offset_ && offset - kept_offset_ < kept_.size();
  }

  // The chunk that comes is then the one with the byte at `offset`.
  Status ComeTo(uint64_t offset) {
    const uint64_t here = coming_ ? coming_->offset : next_;
    const bool is_near = stream_ && offset >= here && offset - here <= kSkipBytes;
    if (!is_near) return Ask(offset);
    for (;;) {
      if (!coming_) PC_RETURN_IF_ERROR(NextChunk());
      if (offset < coming_->end()) return {};
      PC_RETURN_IF_ERROR(Keep());
    }
  }

  Status Ask(uint64_t offset) {
    coming_.reset();
    stream_.reset();
    next_ = offset;
    for (;;) {
      stream_ = link_->streams().Take();
      if (!stream_) return Leave(Unavailable("there is no stream"));
      const auto [offer, was_used] = std::pair(stream_->offer, stream_->was_used);
      const Status status = AskStream();
      if (left_.ok()) return status;
      // One that was used may have been closed by now, and another be there.
      const bool may_be_closed = was_used && status.code() != Code::kDeadlineExceeded;
      if (!may_be_closed) {
        link_->streams().Pause(offer, status);
        return status;
      }
      left_ = {};
    }
  }

  Status AskStream() {
    FetchBlob fetch = fetch_;
    fetch.offset = next_;
    const Status sent = SendStreamFrame(*stream_->socket, fetch);
    return sent.ok() ? NextChunk() : Leave(sent);
  }

  // The chunk that comes is then the one with the byte at next_. REQUIRES: a fetch that has not
  // come to its end.
  Status NextChunk() {
    const Result<StreamFrame> frame = ReceiveStreamFrame(*stream_->socket);
    if (!frame.ok()) return Leave(frame.status());
    const auto* done = std::get_if<Done>(&frame->body);
    if (done != nullptr && done->code != Code::kOk && frame->payload_bytes == 0) {
      GiveBack();
      return StatusOf(done->code, done->message);
    }
    const auto* chunk = std::get_if<Chunk>(&frame->body);
    const uint64_t bytes = frame->payload_bytes;
    const bool fits = chunk != nullptr && bytes > 0 && chunk->offset <= next_ &&
                      chunk->offset <= chunk->blob_bytes &&
                      bytes <= chunk->blob_bytes - chunk->offset && chunk->offset + bytes > next_ &&
                      (size_ == 0 || chunk->blob_bytes == size_);
    if (!fits) return Leave(UnexpectedAnswer());
    size_ = chunk->blob_bytes;
    coming_ = Coming{.offset = chunk->offset, .bytes = bytes, .hash = chunk->hash};
    return {};
  }

  // The bytes of the chunk that comes, checked. A stream whose fetch has come to its end is the
  // next reader's.
  Status Receive(std::span<uint8_t> out) {
    const Result<Hash128> hash = stream_->socket->ReceiveHashed(out);
    if (!hash.ok()) return Leave(hash.status());
    if (*hash != coming_->hash) return Leave(DataLoss("bytes of a stream fail their checksum"));
    link_->CountRead(out.size(), ReadWay::kStream);
    next_ = coming_->end();
    coming_.reset();
    if (next_ == size_) GiveBack();
    return {};
  }

  // For reads of less than a chunk.
  Status Keep() {
    kept_.resize(coming_->bytes);
    kept_offset_ = coming_->offset;
    const Status status = Receive(kept_);
    if (!status.ok()) kept_.clear();
    return status;
  }

  void GiveBack() { link_->streams().GiveBack(*std::exchange(stream_, std::nullopt)); }

  // The end of a stream says nothing of the blob: the rest comes in messages.
  Status Leave(const Status& why) {
    stream_.reset();
    coming_.reset();
    left_ = why;
    return why;
  }

  Status OpenMessages(uint64_t offset) {
    Log(LogLevel::kWarning, "store.stream_left",
        {{"unit", fetch_.key.ToHex()}, {"reason", left_.message()}});
    FetchBlob fetch = fetch_;
    fetch.offset = offset;
    PC_ASSIGN_OR_RETURN(auto messages, OpenRemoteBlob(link_, fetch));
    if (messages->size() != size_) return Unavailable("the blob has another size than it had");
    messages_ = std::move(messages);
    return {};
  }

  const std::shared_ptr<RemoteLink> link_;
  const FetchBlob fetch_;
  std::optional<StreamPool::Stream> stream_;  // while a fetch has not come to its end
  uint64_t size_ = 0;
  uint64_t next_ = 0;  // where the chunk behind those received begins, at most
  std::optional<Coming> coming_;
  std::vector<uint8_t> kept_;  // of the chunk read last, when it was not wanted whole
  uint64_t kept_offset_ = 0;
  Status left_;  // why streams are of no use, once they are
  std::unique_ptr<BlobReader> messages_;
};

}  // namespace

Result<std::unique_ptr<BlobReader>> OpenStreamedBlob(std::shared_ptr<RemoteLink> link,
                                                     const FetchBlob& fetch) {
  PC_RETURN_IF_ERROR(link->WaitUp());
  auto reader = std::make_unique<StreamReader>(link, fetch);
  PC_ASSIGN_OR_RETURN(const bool has_stream, reader->Open());
  if (!has_stream) return OpenRemoteBlob(std::move(link), fetch);
  return std::unique_ptr<BlobReader>(std::move(reader));
}

}  // namespace promptcache

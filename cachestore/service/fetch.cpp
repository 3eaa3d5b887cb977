#include <algorithm>
#include <string>

#include "cachestore/service/shared_window.h"
#include "cachestore/service/transfer.h"

namespace promptcache {
namespace {

// What the strand works on.
struct Source {
  Budget::Part slot;
  std::unique_ptr<BlobReader> reader;
  std::unique_ptr<WindowWriter> window;  // null: bytes go as payload frames
};

struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t blob_bytes = 0;
};

// A chunk and its share of the budget, until the transport is done with it.
struct HeldChunk {
  PinnedBytes pinned;
  Budget::Part part;
  bool in_window = false;
};

struct NextRead {
  uint64_t offset = 0;         // in the blob
  uint64_t limit = 0;          // bytes
  uint64_t window_offset = 0;  // where they go
};

// On a thread of the pool. A window that cannot be written is given up for good.
Status ReadChunk(Source& source, const NextRead& next, HeldChunk& chunk) {
  PC_ASSIGN_OR_RETURN(chunk.pinned, source.reader->ReadPinned(next.offset, next.limit));
  if (!source.window) return {};
  chunk.in_window = source.window->Write(next.window_offset, chunk.pinned.bytes).ok();
  if (!chunk.in_window) source.window.reset();
  return {};
}

Result<Range> OpenRange(BlobStore& blobs, const FetchBlob& fetch, Source& source) {
  PC_ASSIGN_OR_RETURN(source.reader,
                      fetch.inspect ? blobs.Inspect(fetch.key) : blobs.Open(fetch.key));
  if (!fetch.window.empty()) {
    // A reader on another machine has none here; then its bytes go over the wire.
    auto window = WindowWriter::Open(fetch.window);
    if (window.ok()) source.window = *std::move(window);
  }
  const uint64_t size = source.reader->size();
  if (fetch.offset > size || fetch.length > size - fetch.offset) {
    return InvalidArgument("bytes " + std::to_string(fetch.offset) + " and " +
                           std::to_string(fetch.length) + " more are outside the blob of " +
                           std::to_string(size) + " bytes");
  }
  const uint64_t end = fetch.length == 0 ? size : fetch.offset + fetch.length;
  return Range{.begin = fetch.offset, .end = end, .blob_bytes = size};
}

class Fetch final : public Transfer {
 public:
  Fetch(const TransferContext& context, TransferLink link, uint64_t credit)
      : Transfer(context, std::move(link)), source_(std::make_shared<Source>()) {
    source_->slot = link_.slot;
    AddCredit(credit);
  }

  ~Fetch() override {
    strand_->Finish([source = source_] { source->reader.reset(); });
  }

  void Start(const FetchBlob& fetch) {
    auto range = std::make_shared<Result<Range>>(DeadlineExceeded(
        "the fetch waited longer for a thread of the cachestore than its sender waits"));
    Run(
        [&blobs = context_.blobs, &clock = *context_.options.clock, source = source_, fetch, range,
         deadline = link_.deadline] {
          if (clock.Now() <= deadline) *range = OpenRange(blobs, fetch, *source);
        },
        [this, range] {
          if (!range->ok()) return Fail(range->status());
          range_ = **range;
          offset_ = range_.begin;
          started_ = true;
          Pump();
        });
  }

  void OnCredit(uint64_t bytes) override {
    AddCredit(bytes);
    Pump();
  }
  void OnChunk(Frame /*payload*/) override { Fail(InvalidArgument("a chunk for a fetch")); }
  void OnCommit() override { Fail(InvalidArgument("a commit of a fetch")); }

 private:
  void AddCredit(uint64_t bytes) {
    const uint64_t limit = context_.options.max_credit_bytes;
    credit_ = std::min(limit, credit_ + std::min(bytes, limit));
  }

  // Reads and sends the next chunk while there is credit. One read at a time.
  void Pump() {
    if (!started_ || reading_) return;
    if (offset_ == range_.end) return link_.end(DoneOf({}, range_.end - range_.begin));
    if (credit_ == 0) return;
    const NextRead next = Next();
    auto chunk = std::make_shared<HeldChunk>();
    chunk->part = context_.bytes->Take(next.limit + kChunkOverhead);
    if (!chunk->part) return Fail(Busy("the cachestore holds too much that peers have not taken"));
    reading_ = true;
    auto status = std::make_shared<Status>();
    Run([source = source_, next, chunk, status] { *status = ReadChunk(*source, next, *chunk); },
        [this, chunk, status] {
          reading_ = false;
          if (!status->ok()) return Fail(*status);
          SendChunk(chunk);
        });
  }

  NextRead Next() const {
    NextRead next{.offset = offset_,
                  .limit = std::min({context_.options.chunk_bytes, credit_, range_.end - offset_})};
    // The strand stands still between reads, so this is not written meanwhile.
    if (source_->window) {
      next.window_offset = (offset_ - range_.begin) % source_->window->size();
      next.limit = std::min(next.limit, source_->window->size() - next.window_offset);
    }
    return next;
  }

  void SendChunk(const std::shared_ptr<HeldChunk>& chunk) {
    const uint64_t count = chunk->pinned.bytes.size();
    const Chunk message{.offset = offset_,
                        .blob_bytes = range_.blob_bytes,
                        .window_bytes = chunk->in_window ? count : 0};
    offset_ += count;
    credit_ -= count;
    link_.send(message, chunk->in_window ? Frame() : Frame::Share(chunk, chunk->pinned.bytes));
    Pump();
  }

  const std::shared_ptr<Source> source_;
  Range range_;
  uint64_t offset_ = 0;  // of the next byte to read
  uint64_t credit_ = 0;
  bool started_ = false;
  bool reading_ = false;
};

}  // namespace

std::shared_ptr<Transfer> StartFetch(const TransferContext& context, TransferLink link,
                                     const FetchBlob& fetch) {
  auto transfer = std::make_shared<Fetch>(context, std::move(link), fetch.credit);
  transfer->Start(fetch);
  return transfer;
}

}  // namespace promptcache

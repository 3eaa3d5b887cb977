#include <algorithm>
#include <string>
#include <vector>

#include "cachestore/service/shared_window.h"
#include "cachestore/service/transfer.h"

namespace promptcache {
namespace {

// What the strand works on.
struct Source {
  Budget::Part slot;
  Budget::Part request;
  std::unique_ptr<BlobReader> reader;
  std::unique_ptr<WindowWriter> window;  // null: bytes go as payload frames
};

struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t blob_bytes = 0;
};

struct HeldChunk {
  PinnedBytes pinned;  // nothing once the bytes are in the window: the store reuses its memory
  uint64_t bytes = 0;
  bool in_window = false;
};

// Chunks that were read by one job, and their share of the budget until the transport is done with
// them.
struct Batch {
  Budget::Part part;
  std::vector<HeldChunk> chunks;
  Status status;
};

struct NextReads {
  uint64_t begin = 0;   // of the fetch, in the blob
  uint64_t offset = 0;  // of the first chunk
  uint64_t bytes = 0;   // of all
  uint64_t chunk_bytes = 0;
};

// On a thread of the pool. A window that cannot be written is given up for good.
Status ReadChunks(Source& source, const NextReads& next, Batch& batch) {
  for (uint64_t done = 0; done < next.bytes;) {
    const uint64_t offset = next.offset + done;
    uint64_t limit = std::min(next.chunk_bytes, next.bytes - done);
    uint64_t window_offset = 0;
    if (source.window) {
      window_offset = (offset - next.begin) % source.window->size();
      limit = std::min(limit, source.window->size() - window_offset);
    }
    HeldChunk chunk;
    PC_ASSIGN_OR_RETURN(chunk.pinned, source.reader->ReadPinned(offset, limit));
    chunk.bytes = chunk.pinned.bytes.size();
    done += chunk.bytes;
    if (source.window) {
      chunk.in_window = source.window->Write(window_offset, chunk.pinned.bytes).ok();
      if (chunk.in_window) {
        chunk.pinned = {};
      } else {
        source.window.reset();
      }
    }
    batch.chunks.push_back(std::move(chunk));
  }
  return {};
}

Result<Range> OpenRange(BlobStore& blobs, uint64_t max_window_bytes, const FetchBlob& fetch,
                        Source& source) {
  PC_ASSIGN_OR_RETURN(source.reader,
                      fetch.inspect ? blobs.Inspect(fetch.key) : blobs.Open(fetch.key));
  if (!fetch.window.empty()) {
    // A reader on another machine has none here, and one over the credit is memory that the server
    // would fill for its reader; then the bytes go over the wire.
    auto window = WindowWriter::Open(fetch.window);
    const bool is_used = window.ok() && (*window)->size() <= max_window_bytes;
    if (is_used) source.window = *std::move(window);
  }
  const uint64_t size = source.reader->size();
  PC_RETURN_IF_ERROR(CheckRange(fetch, size));
  const uint64_t end = fetch.length == 0 ? size : fetch.offset + fetch.length;
  return Range{.begin = fetch.offset, .end = end, .blob_bytes = size};
}

class Fetch final : public Transfer {
 public:
  Fetch(const TransferContext& context, TransferLink link, uint64_t credit)
      : Transfer(context, std::move(link)), source_(std::make_shared<Source>()) {
    source_->slot = link_.slot;
    source_->request = link_.request;
    AddCredit(credit);
  }

  ~Fetch() override {
    strand_->Finish([source = source_] { source->reader.reset(); });
  }

  // Opens the blob and reads its first chunk in one job: a small blob is mostly changes of threads.
  void Start(const FetchBlob& fetch) {
    auto range = std::make_shared<Result<Range>>(DeadlineExceeded(
        "the fetch waited longer for a thread of the cachestore than its sender waits"));
    auto batch = std::make_shared<Batch>();
    uint64_t first_bytes = std::min(context_.options.chunk_bytes, credit_);
    batch->part = context_.bytes->Take(link_.holder, first_bytes + kChunkOverhead);
    if (!batch->part) first_bytes = 0;  // whoever reads on says so
    Run(
        [&blobs = context_.blobs, &clock = *context_.options.clock, source = source_, fetch, range,
         batch, first_bytes, chunk_bytes = context_.options.chunk_bytes,
         max_window_bytes = context_.options.max_credit_bytes, deadline = link_.deadline] {
          if (clock.Now() > deadline) return;
          *range = OpenRange(blobs, max_window_bytes, fetch, *source);
          if (!range->ok()) return;
          const auto [begin, end, blob_bytes] = **range;
          batch->status = ReadChunks(*source,
                                     {.begin = begin,
                                      .offset = begin,
                                      .bytes = std::min(first_bytes, end - begin),
                                      .chunk_bytes = chunk_bytes},
                                     *batch);
        },
        [this, range, batch] {
          if (!range->ok()) return Fail(range->status());
          range_ = **range;
          offset_ = range_.begin;
          started_ = true;
          SendBatch(batch);
        });
  }

  void OnCredit(uint64_t bytes) override {
    AddCredit(bytes);
    Pump();
  }
  void OnChunk(Frame /*payload*/) override { Fail(InvalidArgument("a chunk for a fetch")); }
  void OnCommit() override { Fail(InvalidArgument("a commit of a fetch")); }
  bool WaitsForPeer() const override { return started_ && !reading_; }
  uint64_t moved_bytes() const override { return offset_ - range_.begin; }

 private:
  void AddCredit(uint64_t bytes) {
    const uint64_t limit = context_.options.max_credit_bytes;
    credit_ = std::min(limit, credit_ + std::min(bytes, limit));
  }

  // Reads on while there is credit, one job at a time; while its chunks are sent the next ones are
  // read. The first jobs are a chunk each, so that a small blob is not read whole before any of it
  // is on its way; the others a few, so that changing threads costs little.
  void Pump() {
    if (!started_ || reading_) return;
    if (offset_ == range_.end) return link_.end(DoneOf({}, range_.end - range_.begin));
    const Status status = StartReading();
    if (!status.ok()) Fail(status);
  }

  Status StartReading() {
    constexpr uint64_t kFirstChunks = 8;
    const uint64_t chunk_bytes = context_.options.chunk_bytes;
    const uint64_t chunks = moved_bytes() < kFirstChunks * chunk_bytes ? 1 : 4;
    NextReads next{.begin = range_.begin,
                   .offset = offset_,
                   .bytes = std::min({chunks * chunk_bytes, credit_, range_.end - offset_}),
                   .chunk_bytes = chunk_bytes};
    if (next.bytes == 0) return {};
    auto batch = std::make_shared<Batch>();
    batch->part = context_.bytes->Take(link_.holder, next.bytes + kChunkOverhead);
    if (!batch->part) {
      next.bytes = std::min(next.bytes, chunk_bytes);
      batch->part = context_.bytes->Take(link_.holder, next.bytes + kChunkOverhead);
    }
    if (!batch->part) return Busy("the cachestore holds too much that peers have not taken");
    reading_ = true;
    Run([source = source_, next, batch] { batch->status = ReadChunks(*source, next, *batch); },
        [this, batch] {
          reading_ = false;
          SendBatch(batch);
        });
    return {};
  }

  void SendBatch(const std::shared_ptr<Batch>& batch) {
    uint64_t offset = offset_;
    for (const HeldChunk& chunk : batch->chunks) {
      offset_ += chunk.bytes;
      credit_ -= chunk.bytes;
    }
    Status status = batch->status;
    if (status.ok() && offset_ < range_.end) status = StartReading();
    for (const HeldChunk& chunk : batch->chunks) {
      const Chunk message{.offset = offset,
                          .blob_bytes = range_.blob_bytes,
                          .window_bytes = chunk.in_window ? chunk.bytes : 0};
      offset += chunk.bytes;
      link_.send(message, chunk.in_window ? Frame() : Frame::Share(batch, chunk.pinned.bytes));
    }
    if (!status.ok()) return Fail(status);
    if (offset_ == range_.end) Pump();
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

#include <string>

#include "cachestore/service/transfer.h"

namespace promptcache {
namespace {

// What the strand works on.
struct Sink {
  Budget::Part slot;
  Budget::Part request;
  std::unique_ptr<BlobWriter> writer;
};

class Put final : public Transfer {
 public:
  Put(const TransferContext& context, TransferLink link)
      : Transfer(context, std::move(link)), sink_(std::make_shared<Sink>()) {
    sink_->slot = link_.slot;
    sink_->request = link_.request;
  }

  ~Put() override {
    strand_->Finish([sink = sink_] { sink->writer.reset(); });
  }

  void Start(const PutBlob& put) {
    auto status = std::make_shared<Status>(DeadlineExceeded(
        "the put waited longer for a thread of the cachestore than its sender waits"));
    Run(
        [&blobs = context_.blobs, &clock = *context_.options.clock, sink = sink_, put, status,
         deadline = link_.deadline] {
          if (clock.Now() > deadline) return;
          auto writer = blobs.StartPut({put.key, put.bytes, put.imports});
          if (writer.ok()) sink->writer = *std::move(writer);
          *status = writer.status();
        },
        [this, status] {
          if (!status->ok()) {
            Done done = DoneOf(*status);
            done.committed = status->code() == Code::kAlreadyExists;
            return link_.end(std::move(done));
          }
          state_ = State::kOpen;
          window_ = context_.options.put_window_bytes;
          link_.send(Credit{window_}, {});
        });
  }

  void OnCredit(uint64_t /*bytes*/) override { Fail(InvalidArgument("credit for a put")); }

  void OnChunk(Frame payload) override {
    if (state_ != State::kOpen) {
      return Fail(InvalidArgument("a chunk before the first credit or after the commit"));
    }
    const uint64_t count = payload.size();
    if (count == 0 || count > window_) {
      return Fail(InvalidArgument("a chunk of " + std::to_string(count) + " bytes, credit " +
                                  std::to_string(window_)));
    }
    auto part = context_.bytes->Take(link_.holder, count + kChunkOverhead);
    if (!part) return Fail(Busy("the cachestore holds too much that is not on the disk yet"));
    window_ -= count;
    auto status = std::make_shared<Status>();
    Run([sink = sink_, payload = std::move(payload), part = std::move(part),
         status] { *status = sink->writer->Append(payload.bytes()); },
        [this, status, count] {
          if (!status->ok()) return Fail(*status);
          bytes_ += count;
          window_ += count;
          link_.send(Credit{count}, {});
        });
  }

  void OnCommit() override {
    if (state_ != State::kOpen) {
      return Fail(InvalidArgument("a commit before the first credit, or a second one"));
    }
    state_ = State::kCommitting;
    auto status = std::make_shared<Status>();
    Run([sink = sink_, status] { *status = sink->writer->Commit(); },
        [this, status] {
          Done done = DoneOf(*status, bytes_);
          done.committed = status->ok();
          link_.end(std::move(done));
        });
  }

  bool WaitsForPeer() const override {
    return state_ == State::kOpen && window_ == context_.options.put_window_bytes;
  }
  uint64_t moved_bytes() const override { return bytes_; }

 private:
  enum class State { kOpening, kOpen, kCommitting };

  const std::shared_ptr<Sink> sink_;
  State state_ = State::kOpening;
  uint64_t window_ = 0;  // bytes that may still come
  uint64_t bytes_ = 0;   // appended
};

}  // namespace

std::shared_ptr<Transfer> StartPut(const TransferContext& context, TransferLink link,
                                   const PutBlob& put) {
  auto transfer = std::make_shared<Put>(context, std::move(link));
  transfer->Start(put);
  return transfer;
}

}  // namespace promptcache

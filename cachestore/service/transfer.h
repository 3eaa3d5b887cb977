// A blob on its way in or out of a store server. Internal to cachestore/service.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cachestore/service/store_server.h"
#include "cachestore/service/wire.h"
#include "cachestore/service/work_pool.h"
#include "cluster/wire/messages.h"
#include "common/budget.h"
#include "common/fair_budget.h"

namespace promptcache {

// What a chunk costs besides its bytes, so that many small ones count too.
inline constexpr uint64_t kChunkOverhead = 1024;

// What all transfers of a server share. Outlives them, but not the work that they have begun.
struct TransferContext {
  BlobStore& blobs;
  StoreServerOptions options;
  std::shared_ptr<JobQueue> jobs;
  std::shared_ptr<FairBudget<>> bytes;  // held in memory between the stores and the peers
};

// What one transfer is given. Both functions may end the transfer, whose caller then still holds
// it.
struct TransferLink {
  std::function<void(Message, Frame payload)> send;
  std::function<void(Done)> end;  // the last word
  std::string holder;             // whose bytes they are
  // Kept until reader or writer is closed.
  Budget::Part slot;
  Budget::Part request;  // its share of the memory
  SteadyTime deadline;   // to be opened by
};

// Belongs to the reactor thread. Blocking work runs on a strand and touches nothing of the transfer
// itself; what comes back after the transfer has gone is dropped. Its destruction closes the reader
// or the writer (which drops an unfinished put), on a thread of the pool.
class Transfer : public std::enable_shared_from_this<Transfer> {
 public:
  virtual ~Transfer() = default;
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // Messages for it. Those that make no sense end it with kInvalidArgument.
  virtual void OnCredit(uint64_t bytes) = 0;
  virtual void OnChunk(Frame payload) = 0;
  virtual void OnCommit() = 0;

  // Whether only its peer can make it go on, and how many bytes have gone on so far.
  virtual bool WaitsForPeer() const = 0;
  virtual uint64_t moved_bytes() const = 0;
  void Fail(const Status& status) { link_.end(DoneOf(status)); }

 protected:
  Transfer(const TransferContext& context, TransferLink link)
      : context_(context),
        link_(std::move(link)),
        strand_(std::make_shared<Strand>(context.jobs)) {}

  // `work` on the strand, then `done` here unless the transfer has gone.
  void Run(std::function<void()> work, std::function<void()> done) {
    strand_->Run(
        {.work = std::move(work), .done = [weak = weak_from_this(), done = std::move(done)] {
           if (const auto self = weak.lock()) done();
         }});
  }

  const TransferContext& context_;
  const TransferLink link_;
  const std::shared_ptr<Strand> strand_;
};

std::shared_ptr<Transfer> StartFetch(const TransferContext& context, TransferLink link,
                                     const FetchBlob& fetch);
std::shared_ptr<Transfer> StartPut(const TransferContext& context, TransferLink link,
                                   const PutBlob& put);

}  // namespace promptcache

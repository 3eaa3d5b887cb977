// Batches in the meta store: each function is one or more calls to it, and `done` is called once
// with what came of them. Internal to coordinator/.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/batch/batch_records.h"
#include "coordinator/batch/batch_table.h"
#include "coordinator/meta_client.h"

namespace promptcache {

// Belongs to the reactor thread. What is written goes under the fence of its ownership:
// kFailedPrecondition when that is over, or when what is to be written once is there already.
class BatchJournal {
 public:
  template <typename T>
  using Done = std::function<void(Result<T>)>;
  using Ended = std::function<void(const Status&)>;
  using Encoded = std::shared_ptr<const EncodedBatch>;

  // The client outlives the journal.
  explicit BatchJournal(MetaClient& meta) : meta_(meta) {}

  // All batches. A damaged head is logged and left out.
  void Heads(const Done<std::vector<KeptBatch>>& done);
  // For `life`, if the owner's record still has this revision; 0: if there is none.
  void Own(const RequestId& batch, uint64_t revision, const RequestId& life,
           const Done<BatchRef>& done);
  // The items, and the head last.
  void Write(const BatchRef& ref, const BatchInfo& info, const Encoded& batch,
             const Done<OwnedBatch>& done);
  // kNotFound: there is no head.
  void Load(const BatchRef& ref, const Done<OwnedBatch>& done);
  // The chunk with the item `first`, or the next one; behind the last one, none and `first` at the
  // end of all numbers.
  void LoadItems(const BatchRef& ref, uint32_t first, const Done<BatchItems>& done);
  void Keep(const BatchRef& ref, const BatchResult& result, const Ended& done);
  // Writes the counts down and gives up the ownership.
  void End(const BatchRef& ref, const BatchInfo& info, const Ended& done);
  // As many as fit a message well.
  void Results(const RequestId& batch, const BatchQuery& query, const Done<BatchReply>& done);
  // From then on there is no batch.
  void RemoveHead(const BatchRef& ref, uint64_t revision, const Ended& done);
  // What is left of a batch without a head, the ownership last.
  void Erase(const BatchRef& ref, const Ended& done);

 private:
  void WriteChunk(const BatchRef& ref, const Encoded& batch, size_t chunk, const Ended& done);
  void LoadResults(const std::shared_ptr<OwnedBatch>& batch, const std::string& after,
                   const Done<OwnedBatch>& done);
  void EraseAll(const BatchRef& ref, const std::string& prefix, const Ended& done);
  void EraseNext(const BatchRef& ref, const std::shared_ptr<MetaClient::Records>& left,
                 const Ended& done);

  MetaClient& meta_;
};

}  // namespace promptcache

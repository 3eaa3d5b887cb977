// The batches of a coordinator, and those of others that have gone: who owns what, and that what
// BatchTable decides is done. Internal to coordinator/.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/config.h"
#include "coordinator/batch/batch_journal.h"
#include "coordinator/batch/batch_table.h"
#include "coordinator/batch/life_watch.h"
#include "coordinator/batch/own_life.h"
#include "coordinator/meta_client.h"

namespace promptcache {

// How items are done: as requests of the coordinator itself, whose answers come to Received.
struct BatchRunner {
  std::function<void(const std::string& tenant, const Envelope& submit)> submit;
  std::function<void(const std::string& tenant, const RequestId& request)> cancel;
};

// Belongs to the reactor thread. `done` is called once, unless the keeper goes before.
//
// A coordinator that owns batches shows that it lives by renewing a record. When that has not
// changed for the lease another one removes it, and then takes over each batch whose owner has no
// such record: by compare-and-set, so that one of them wins, and whoever had it before can no
// longer write.
class BatchKeeper {
 public:
  template <typename T>
  using Done = BatchJournal::Done<T>;
  using Encoded = BatchJournal::Encoded;

  // Client and clock outlive the keeper. The client is not started yet.
  BatchKeeper(MetaClient& meta, const Clock& clock, const CoordinatorSettings& settings,
              BatchRunner runner);

  // Of this coordinator, for people.
  void SetName(const std::string& name) { name_ = name; }
  void Tick();
  // To a request of an item.
  void Received(const Envelope& envelope);
  // Others may take over at once. Nothing is begun any more.
  void Shutdown();

  // kAlreadyExists when the id is that of a batch with other items; kResourceExhausted when too
  // many, or too many bytes of items, are kept, of all tenants or of this one; kBusy when somebody
  // else is adding it, or was when it was lost.
  void Add(const RequestId& batch, const BatchInfo& info, const Encoded& encoded,
           const Done<BatchInfo>& done);
  // With what has ended until now.
  void List(const Done<std::vector<KeptBatch>>& done);
  void Results(const RequestId& batch, const BatchQuery& query, const Done<BatchReply>& done);
  void Remove(const KeptBatch& batch, const BatchJournal::Ended& done);
  BatchCounts counts() const { return table_.counts(); }

 private:
  using Records = MetaClient::Records;

  void Look();
  void ShowLife(const BatchJournal::Ended& done);
  void Own(const RequestId& batch, uint64_t revision, const Done<BatchRef>& done);
  void LookAt(const std::vector<BatchRef>& mine, const Records& owners, const Records& lives);
  void RemoveEnded(const Records& lives);
  void TakeOver(const RequestId& batch, uint64_t revision);
  void LoadOwned(const BatchRef& ref);
  void AddNew(const RequestId& batch, const BatchInfo& info, const Encoded& encoded,
              const Done<BatchInfo>& done);
  void Seize(const RequestId& batch, int attempts, const Done<BatchRef>& done);
  void EraseRest(const BatchRef& ref);

  void Perform(BatchActions actions);
  void Do(const BatchAction& action);
  void Lose(const BatchRef& ref, const Status& why);
  void End(const BatchRef& ref);

  const Clock& clock_;
  const std::chrono::milliseconds lease_;
  const BatchRunner runner_;
  std::string name_;
  BatchTable table_;
  LifeWatch watch_;
  SteadyTime next_look_;
  bool looking_ = false;
  bool stopped_ = false;
  std::set<RequestId> busy_;     // being added, taken over or erased here
  std::set<RequestId> damaged_;  // nobody can run them
  std::deque<BatchAction> actions_;
  bool performing_ = false;
  MetaClient& meta_;
  BatchJournal journal_{meta_};
  OwnLife life_{meta_};
};

}  // namespace promptcache

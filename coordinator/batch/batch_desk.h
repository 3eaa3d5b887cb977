// What clients ask about batches. Internal to coordinator/.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cluster/transport/peer_table.h"
#include "common/clock.h"
#include "common/config.h"
#include "coordinator/background.h"
#include "coordinator/batch/batch_keeper.h"

namespace promptcache {

// What a desk works with; all of it outlives the desk, but background and client must call nothing
// for it any more when it goes.
struct BatchDeskDeps {
  MetaClient* meta;  // not started yet; null: there is no store, and clients are told so
  Background& background;
  const Clock& clock;
};

// Belongs to the reactor thread.
class BatchDesk {
 public:
  using Answer = std::function<void(PeerId client, const RequestId& request, Message answer)>;

  BatchDesk(const BatchDeskDeps& deps, const CoordinatorSettings& settings, BatchRunner runner,
            Answer answer);

  // Of this coordinator, for people.
  void SetName(const std::string& name);
  void Tick();
  // To a request of an item.
  void Received(const Envelope& envelope);
  void Shutdown();
  // False: the message is not for the desk. Where links have keys, a client hears of its own
  // tenant's batches only.
  bool Handle(const PeerInfo& peer, const RequestId& id, Message& body);
  BatchCounts counts() const { return keeper_ == nullptr ? BatchCounts() : keeper_->counts(); }

 private:
  using AnswerOnce = std::function<void(Message)>;

  void Add(const std::string& tenant, const RequestId& id, BatchAdd add, const AnswerOnce& answer);
  void Query(const PeerInfo& peer, const BatchQuery& query, const AnswerOnce& answer);
  void Remove(const PeerInfo& peer, const RequestId& batch, const AnswerOnce& answer);
  // The one of this id among those the peer may hear of.
  void Find(const PeerInfo& peer, const RequestId& batch,
            const BatchJournal::Done<KeptBatch>& found);

  const BatchDeskDeps deps_;
  const BatchLimits limits_;
  const Answer answer_;
  uint32_t adding_ = 0;
  uint32_t reading_ = 0;
  const std::unique_ptr<BatchKeeper> keeper_;  // null: there is no store
};

}  // namespace promptcache

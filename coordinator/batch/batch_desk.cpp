#include "coordinator/batch/batch_desk.h"

#include <algorithm>
#include <utility>

#include "coordinator/reply.h"
#include "coordinator/session/session.h"
#include "coordinator/viewer.h"

namespace promptcache {
namespace {

constexpr uint32_t kMaxAdding = 4;    // their items are in memory
constexpr uint32_t kMaxReading = 16;  // their results are

uint64_t BytesOf(const BatchAdd& add) {
  uint64_t bytes = 0;
  for (const BatchItem& item : add.items) bytes += sizeof(item) + BytesOf(item);
  return bytes;
}

}  // namespace

BatchDesk::BatchDesk(const BatchDeskDeps& deps, const CoordinatorSettings& settings,
                     BatchRunner runner, Answer answer)
    : deps_(deps),
      limits_{.max_prompt_bytes = static_cast<uint64_t>(settings.max_prompt_bytes)},
      answer_(std::move(answer)),
      keeper_(deps.meta == nullptr ? nullptr
                                   : std::make_unique<BatchKeeper>(*deps.meta, deps.clock, settings,
                                                                   std::move(runner))) {}

void BatchDesk::SetName(const std::string& name) {
  if (keeper_ != nullptr) keeper_->SetName(name);
}

void BatchDesk::Tick() {
  if (keeper_ != nullptr) keeper_->Tick();
}

void BatchDesk::Received(const Envelope& envelope) {
  if (keeper_ != nullptr) keeper_->Received(envelope);
}

void BatchDesk::Shutdown() {
  if (keeper_ != nullptr) keeper_->Shutdown();
}

bool BatchDesk::Handle(const PeerInfo& peer, const RequestId& id, Message& body) {
  const bool is_mine = std::holds_alternative<BatchAdd>(body) ||
                       std::holds_alternative<BatchQuery>(body) ||
                       std::holds_alternative<BatchRemove>(body);
  if (!is_mine) return false;
  const AnswerOnce answer = [this, client = peer.id, id](Message message) {
    answer_(client, id, std::move(message));
  };
  if (keeper_ == nullptr) {
    answer(ReplyOf(
        FailedPrecondition("batches are kept in a cachestore, and this coordinator has none; set "
                           "coordinator.store_endpoint to one with store.meta = true")));
  } else if (auto* add = std::get_if<BatchAdd>(&body)) {
    Add(peer.tenant(), id, std::move(*add), answer);
  } else if (const auto* query = std::get_if<BatchQuery>(&body)) {
    Query(peer, *query, answer);
  } else {
    Remove(peer, std::get<BatchRemove>(body).batch, answer);
  }
  return true;
}

void BatchDesk::Add(const std::string& tenant, const RequestId& id, BatchAdd add,
                    const AnswerOnce& answer) {
  if (id.is_zero()) return answer(ReplyOf(InvalidArgument("a batch without an id")));
  if (adding_ == kMaxAdding) {
    return answer(ReplyOf(Busy("other batches are being added; try again in some seconds")));
  }
  const uint64_t bytes = BytesOf(add);
  const auto end = [this, answer](const Result<BatchInfo>& added) {
    --adding_;
    answer(added.ok() ? Message(BatchReply{.batches = {*added}})
                      : Message(ReplyOf(added.status())));
  };
  ++adding_;
  const Status queued = deps_.background.Compute<Result<EncodedBatch>>(
      [add = std::move(add), limits = limits_]() mutable {
        return EncodeBatch(std::move(add), limits);
      },
      [this, tenant, id, end](Result<EncodedBatch> encoded) {
        if (!encoded.ok()) return end(encoded.status());
        const BatchInfo info{.id = id,
                             .tenant = tenant,
                             .added_unix_ms = deps_.clock.UnixMillis(),
                             .items = encoded->items};
        keeper_->Add(IdWithin(tenant, id), info,
                     std::make_shared<const EncodedBatch>(*std::move(encoded)), end);
      },
      bytes);
  if (!queued.ok()) end(queued);
}

void BatchDesk::Query(const PeerInfo& peer, const BatchQuery& query, const AnswerOnce& asked) {
  if (reading_ == kMaxReading) {
    return asked(ReplyOf(Busy("other batches are being read; try again in some seconds")));
  }
  ++reading_;
  const AnswerOnce answer = [this, asked](Message message) {
    --reading_;
    asked(std::move(message));
  };
  if (!query.batch) {
    return keeper_->List(
        [viewer = ViewerOf(peer), answer](const Result<std::vector<KeptBatch>>& all) {
          if (!all.ok()) return answer(ReplyOf(all.status()));
          BatchReply reply;
          for (const KeptBatch& batch : *all) {
            if (viewer.Sees(batch.head.info.tenant)) reply.batches.push_back(batch.head.info);
          }
          std::sort(reply.batches.begin(), reply.batches.end(),
                    [](const BatchInfo& a, const BatchInfo& b) {
                      return std::pair(a.added_unix_ms, a.id) < std::pair(b.added_unix_ms, b.id);
                    });
          answer(std::move(reply));
        });
  }
  Find(peer, *query.batch, [this, query, answer](const Result<KeptBatch>& batch) {
    if (!batch.ok()) return answer(ReplyOf(batch.status()));
    keeper_->Results(batch->id, query, [batch = *batch, answer](Result<BatchReply> reply) {
      if (!reply.ok()) return answer(ReplyOf(reply.status()));
      reply->batches = {batch.head.info};
      answer(*std::move(reply));
    });
  });
}

void BatchDesk::Remove(const PeerInfo& peer, const RequestId& batch, const AnswerOnce& answer) {
  Find(peer, batch, [this, answer](const Result<KeptBatch>& found) {
    if (!found.ok()) return answer(ReplyOf(found.status()));
    keeper_->Remove(*found, [answer](const Status& removed) { answer(ReplyOf(removed)); });
  });
}

void BatchDesk::Find(const PeerInfo& peer, const RequestId& batch,
                     const BatchJournal::Done<KeptBatch>& found) {
  keeper_->List([viewer = ViewerOf(peer), batch, found](const Result<std::vector<KeptBatch>>& all) {
    if (!all.ok()) return found(all.status());
    for (const KeptBatch& one : *all) {
      if (one.head.info.id == batch && viewer.Sees(one.head.info.tenant)) return found(one);
    }
    found(NotFound("there is no batch " + batch.ToHex() + "; `promptcache batch ls` lists them"));
  });
}

}  // namespace promptcache

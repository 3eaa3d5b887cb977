#include "tests/unit/coordinator/fake_store.h"

#include <gtest/gtest.h>

namespace promptcache::testing {
namespace {

MetaRecord RecordOf(const MetaEntry& entry) { return {entry.key, entry.value, entry.revision}; }

Message ReplyOf(const Status& status) { return Reply{status.code(), status.message()}; }

}  // namespace

FakeStore::FakeStore(FakeNetwork& network, MetaStore& records)
    : transport_(network, "store"), records_(records) {
  peers_.emplace(transport_, PeerTableOptions{.name = "store"},
                 PeerEvents{.on_message = [this](const PeerInfo& peer, const Envelope& envelope,
                                                 const Frame&) { Handle(peer.id, envelope); }});
  EXPECT_TRUE(peers_->Listen({.endpoint = kEndpoint, .max_message_bytes = 96 << 20}).ok());
}

void FakeStore::Handle(PeerId peer, const Envelope& envelope) {
  ++requests_;
  if (is_silent_) return;
  EXPECT_TRUE(
      peers_->Send(peer, {.request_id = envelope.request_id, .body = Answer(envelope.body)}).ok());
}

Message FakeStore::Answer(const Message& request) {
  if (!failure_.ok()) return ReplyOf(failure_);
  MetaReply reply;
  if (const auto* get = std::get_if<MetaGet>(&request)) {
    const auto entry = records_.Get(get->key);
    if (!entry.ok()) return ReplyOf(entry.status());
    if (*entry) reply.entries.push_back(RecordOf(**entry));
    if (after_get_) after_get_(get->key);
  } else if (const auto* set = std::get_if<MetaSet>(&request)) {
    const MetaFence fence{set->fence, set->fence_revision};
    if (set->remove) return ReplyOf(records_.CompareAndRemove(set->key, set->expected, fence));
    const auto revision = records_.CompareAndSet(set->key, set->expected, set->value, fence);
    if (!revision.ok()) return ReplyOf(revision.status());
    reply.entries.push_back({set->key, set->value, *revision});
  } else if (const auto* list = std::get_if<MetaList>(&request)) {
    ++lists_;
    const auto page = records_.Page({list->prefix, list->after, list->limit, page_bytes_});
    if (!page.ok()) return ReplyOf(page.status());
    reply.more = page->more;
    for (const MetaEntry& entry : page->entries) reply.entries.push_back(RecordOf(entry));
  } else {
    return ReplyOf(Unimplemented("not a meta request"));
  }
  return reply;
}

}  // namespace promptcache::testing

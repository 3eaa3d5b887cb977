// A cachestore's meta side over a network in memory, with failures at the test's command.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "cachestore/store.h"
#include "cluster/transport/peer_table.h"
#include "tests/fakes/fake_transport.h"

namespace promptcache::testing {

// Its destruction is the death of its process; `records` live on.
class FakeStore {
 public:
  static constexpr char kEndpoint[] = "tcp://127.0.0.1:7422";

  FakeStore(FakeNetwork& network, MetaStore& records);

  // Every request is answered with this until it is cleared.
  void FailWith(Status status) { failure_ = std::move(status); }
  // Takes requests and says nothing.
  void SetSilent(bool is_silent) { is_silent_ = is_silent; }
  // Of one answer to a list.
  void SetPageBytes(uint64_t bytes) { page_bytes_ = bytes; }
  // Called after each answer to a get: another coordinator is at work.
  void AfterGet(std::function<void(const std::string& key)> hook) { after_get_ = std::move(hook); }
  size_t requests() const { return requests_; }
  size_t lists() const { return lists_; }

 private:
  void Handle(PeerId peer, const Envelope& envelope);
  Message Answer(const Message& request);

  FakeTransport transport_;
  MetaStore& records_;
  Status failure_;
  std::function<void(const std::string& key)> after_get_;
  bool is_silent_ = false;
  uint64_t page_bytes_ = UINT64_MAX;
  size_t requests_ = 0;
  size_t lists_ = 0;
  std::optional<PeerTable> peers_;
};

}  // namespace promptcache::testing

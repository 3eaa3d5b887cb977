// Coordinators as far as batches go, on a network in memory: each is a desk whose requests the test
// does by itself. The records of the store are the only thing they share.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cachestore/memory/memory_store.h"
#include "common/config.h"
#include "coordinator/batch/batch_desk.h"
#include "tests/fakes/fake_transport.h"
#include "tests/unit/coordinator/fake_background.h"
#include "tests/unit/coordinator/fake_store.h"

namespace promptcache::testing {

inline CoordinatorSettings BatchSettings(uint32_t at_once) {
  CoordinatorSettings settings = DefaultSettings().coordinator;
  settings.store_endpoint = FakeStore::kEndpoint;
  settings.batch_requests = at_once;
  settings.lease_ms = 3'000;
  return settings;
}

// Its destruction is the death of its process.
class BatchSite {
 public:
  BatchSite(FakeNetwork& network, const std::string& name, const CoordinatorSettings& settings)
      : transport_(network, name),
        meta_(transport_, FakeStore::kEndpoint),
        background_(transport_),
        desk_({settings.store_endpoint.empty() ? nullptr : &meta_, background_, network.clock()},
              settings, Runner(), [this](PeerId, const RequestId& id, Message answer) {
                answers_[id] = std::move(answer);
              }) {
    desk_.SetName(name);
    EXPECT_TRUE(meta_.Start().ok());
  }

  BatchDesk& desk() { return desk_; }
  bool paused = false;  // the process gets no time

  // Requests that run, the oldest first.
  std::deque<Envelope> running;
  std::vector<RequestId> cancelled;

  // Ends the request that has run longest with this text; the prompt of it.
  std::string Answer(const std::string& text = "answer", Final final = {}) {
    if (running.empty()) return "nothing runs";
    const Envelope request = running.front();
    running.pop_front();
    const RequestId id = request.request_id;
    desk_.Received({.request_id = id, .body = Partial{.tokens = {1}, .text = text}});
    desk_.Received({.request_id = id, .body = std::move(final)});
    return std::get<Submit>(request.body).prompt;
  }

  void Ask(const PeerInfo& peer, const RequestId& id, Message body) {
    EXPECT_TRUE(desk_.Handle(peer, id, body));
  }
  // nullptr: none of this kind has come.
  template <typename T>
  const T* Answered(const RequestId& id) const {
    const auto found = answers_.find(id);
    return found == answers_.end() ? nullptr : std::get_if<T>(&found->second);
  }
  bool HasAnswered(const RequestId& id) const { return answers_.contains(id); }

 private:
  BatchRunner Runner() {
    return {
        .submit = [this](const std::string&, const Envelope& submit) { running.push_back(submit); },
        .cancel =
            [this](const std::string&, const RequestId& request) {
              cancelled.push_back(request);
              std::erase_if(running,
                            [&](const Envelope& one) { return one.request_id == request; });
            }};
  }

  FakeTransport transport_;
  MetaClient meta_;
  FakeBackground background_;
  std::map<RequestId, Message> answers_;
  BatchDesk desk_;
};

class BatchDeskTest : public ::testing::Test {
 protected:
  BatchDeskTest() { store_.emplace(network_, records_); }

  BatchSite& Site(const std::string& name, uint32_t at_once = 2) {
    sites_.push_back(std::make_unique<BatchSite>(network_, name, BatchSettings(at_once)));
    Pass();
    return *sites_.back();
  }
  void Kill(BatchSite& site) {
    std::erase_if(sites_, [&](const auto& one) { return one.get() == &site; });
  }
  void Pass(std::chrono::milliseconds time = std::chrono::milliseconds(2'000)) {
    constexpr std::chrono::milliseconds kStep{100};
    for (; time.count() > 0; time -= kStep) {
      network_.Advance(kStep);
      for (const auto& site : sites_) {
        if (!site->paused) site->desk().Tick();
      }
    }
  }
  // Waits for the end of a lease and what follows.
  void PassLease() { Pass(std::chrono::milliseconds(8'000)); }

  static RequestId Id(uint8_t number) {
    RequestId id;
    id.bytes[15] = number;
    return id;
  }
  static BatchAdd Prompts(const std::vector<std::string>& prompts) {
    BatchAdd add;
    for (const std::string& prompt : prompts) {
      add.items.push_back({.name = "n-" + prompt, .submit = {.prompt = prompt}});
    }
    return add;
  }
  static PeerInfo PeerOf(const std::string& tenant, PeerRole role = PeerRole::kClient) {
    PeerInfo peer{.id = 9, .hello = {.role = role, .name = "c"}};
    if (!tenant.empty()) {
      peer.key = std::make_shared<const PeerKey>(KeyOwner{"c", role, tenant});
    }
    return peer;
  }

  Code Add(BatchSite& site, uint8_t batch, const BatchAdd& add, const PeerInfo& peer = PeerOf("")) {
    return CodeAfter(site, Id(batch), add, peer);
  }
  Code Remove(BatchSite& site, uint8_t batch, const PeerInfo& peer = PeerOf("")) {
    return CodeAfter(site, Id(++last_question_), BatchRemove{Id(batch)}, peer);
  }
  // What the site knows; nothing, and a failed test, when it refuses.
  BatchReply Query(BatchSite& site, const BatchQuery& query, const PeerInfo& peer = PeerOf("")) {
    const RequestId id = Id(++last_question_);
    site.Ask(peer, id, query);
    Pass(std::chrono::milliseconds(500));
    const auto* reply = site.Answered<BatchReply>(id);
    if (reply != nullptr) return *reply;
    ADD_FAILURE() << message_;
    return {};
  }
  // "0:n-a=answer 1:n-b=x".
  std::string Results(BatchSite& site, uint8_t batch) {
    std::string words;
    for (const BatchResult& one : Query(site, {.batch = Id(batch)}).results) {
      words += (words.empty() ? "" : " ") + std::to_string(one.item) + ":" + one.name + "=" +
               (one.final.code == Code::kOk ? one.samples.at(0).text
                                            : std::string(CodeName(one.final.code)));
    }
    return words;
  }
  // Of batches, but for what shows that coordinators live.
  size_t Records() {
    return records_.List("job/", UINT64_MAX)->size() -
           records_.List(kBatchLifePrefix, UINT64_MAX)->size();
  }

  FakeNetwork network_;
  MemoryMetaStore records_;
  std::optional<FakeStore> store_;
  std::vector<std::unique_ptr<BatchSite>> sites_;
  std::string message_;  // of the last refusal

 private:
  Code CodeAfter(BatchSite& site, const RequestId& id, Message body, const PeerInfo& peer) {
    site.Ask(peer, id, std::move(body));
    Pass(std::chrono::milliseconds(500));
    message_ = "no answer";
    if (const auto* reply = site.Answered<Reply>(id)) {
      message_ = reply->message;
      return reply->code;
    }
    return site.HasAnswered(id) ? Code::kOk : Code::kInternal;
  }

  uint8_t last_question_ = 100;
};

}  // namespace promptcache::testing

// The coordinator's link to the cachestore that keeps its records. Internal to coordinator/.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cluster/transport/connection.h"
#include "cluster/transport/transport.h"
#include "cluster/wire/messages.h"

namespace promptcache {

// Of what Get and Swap give; 0: there is no record.
inline uint64_t RevisionIn(const std::vector<MetaRecord>& records) {
  return records.empty() ? 0 : records.front().revision;
}

// Belongs to the reactor thread. Every call's callback is called exactly once, on that thread; with
// kUnavailable when the link is down, goes down, or says nothing for the timeout. Callbacks may be
// dropped when the client itself goes.
class MetaClient {
 public:
  using Records = std::vector<MetaRecord>;
  using Callback = std::function<void(Result<Records>)>;
  using PageCallback = std::function<void(Result<MetaReply>)>;

  MetaClient(Transport& transport, const std::string& endpoint);
  ~MetaClient();
  // Called each time the store becomes reachable. Those who want to hear of it say so before Start.
  void OnUp(std::function<void()> up) { on_up_.push_back(std::move(up)); }
  // kInvalidArgument for an endpoint that can never work.
  Status Start();

  const std::string& endpoint() const { return endpoint_; }
  bool up() const { return connection_->up(); }
  // All records whose key begins with the prefix, page by page: some may be of later than others.
  void List(const std::string& prefix, Callback callback);
  void Page(MetaList list, PageCallback callback);
  // One record, or none.
  void Get(const std::string& key, Callback callback);
  // Writes (or removes) under the revision and the fence it names: kFailedPrecondition when one is
  // not as expected. The record that comes back, if any, has the new revision.
  void Swap(MetaSet set, Callback callback);
  // Reads the key's revision, then writes (or removes) under it; once more when another writer was
  // faster.
  void Set(const std::string& key, const std::string& value, Callback callback);
  void Remove(const std::string& key, Callback callback);

 private:
  struct Pending {
    PageCallback callback;
    TimerId timer = 0;
  };

  void Call(Message request, PageCallback callback);
  void ListOn(MetaList list, Records found, Callback callback);
  void Write(MetaSet set, int attempts, Callback callback);
  void Handle(const Envelope& envelope);
  void Complete(const RequestId& id, Result<MetaReply> result);
  void FailAll(const Status& status);

  Transport& transport_;
  const std::string endpoint_;
  std::vector<std::function<void()>> on_up_;
  std::unordered_map<RequestId, Pending> pending_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace promptcache

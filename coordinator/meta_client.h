// The coordinator's link to the cachestore that keeps its schemas. Internal to coordinator/.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "cluster/transport/connection.h"
#include "cluster/transport/transport.h"
#include "cluster/wire/messages.h"

namespace promptcache {

// Belongs to the reactor thread. Every call's callback is called exactly once, on that thread; with
// kUnavailable when the link is down, goes down, or says nothing for the timeout. Callbacks may be
// dropped when the client itself goes.
class MetaClient {
 public:
  using Callback = std::function<void(Result<std::vector<MetaRecord>>)>;

  // `on_up` is called each time the store becomes reachable.
  MetaClient(Transport& transport, const std::string& endpoint, std::function<void()> on_up);
  ~MetaClient();
  Status Start();

  bool up() const { return connection_->up(); }
  void List(const std::string& prefix, Callback callback);
  // Reads the key's revision, then writes (or removes) under it; once more when another writer was
  // faster.
  void Set(const std::string& key, const std::string& value, Callback callback);
  void Remove(const std::string& key, Callback callback);

 private:
  struct Pending {
    Callback callback;
    TimerId timer = 0;
  };

  void Call(Message request, Callback callback);
  void Write(MetaSet set, int attempts, Callback callback);
  void Handle(const Envelope& envelope);
  void Complete(const RequestId& id, Result<std::vector<MetaRecord>> result);
  void FailAll(const Status& status);

  Transport& transport_;
  std::unordered_map<RequestId, Pending> pending_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace promptcache

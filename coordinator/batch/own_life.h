// What shows other coordinators that this one lives. Internal to coordinator/.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "cluster/wire/messages.h"
#include "coordinator/meta_client.h"

namespace promptcache {

// Belongs to the reactor thread. There is a record of it from the first Show until End.
class OwnLife {
 public:
  using Done = std::function<void(const Status&)>;

  // The client outlives the life.
  explicit OwnLife(MetaClient& meta) : meta_(meta) {}

  // Another one after each end, also when others took this coordinator for dead: nothing that was
  // owned before is owned by it.
  const RequestId& id() const { return id_; }
  bool is_shown() const { return revision_ != 0; }
  // Writes the record, or writes it again. Of calls while one is under way, all end with that one.
  void Show(const std::vector<BatchInfo>& progress, const Done& done);
  // While a Show is under way the record may stay: others remove it after the lease.
  void End();

 private:
  void LookForRecord(const Status& why);
  void BeginAnew();
  void Shown(const Status& status);

  MetaClient& meta_;
  RequestId id_ = RequestId::Random();
  uint64_t revision_ = 0;  // 0: it is not written
  std::vector<Done> waiting_;
};

}  // namespace promptcache

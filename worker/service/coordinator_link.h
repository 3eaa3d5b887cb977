// A worker's link to one of its coordinators, with what that one has been told of the worker's
// units. Warns in the log when it is lost or does not come up. Internal to worker/service.
#pragma once

#include <cstdint>
#include <string>

#include "cluster/transport/connection.h"
#include "worker/service/resident_units.h"

namespace promptcache {

// Belongs to the reactor thread.
class CoordinatorLink {
 public:
  // The transport outlives the link.
  CoordinatorLink(Transport& transport, std::string endpoint, Hello hello, ConnectionEvents events);

  // kInvalidArgument for an endpoint that can never work. Comes back by itself when it is lost.
  Status Start() { return connection_.Start(); }
  // No callback follows.
  void Stop() { connection_.Stop(); }

  bool up() const { return connection_.up(); }
  // As Connection::Send.
  Status Send(const Envelope& envelope) { return connection_.Send(envelope); }

  // ---- reports; nothing while the link is down ----
  // The first after on_up is a snapshot.
  void SendSnapshot(const ResidentUnits& units);
  void SendChanges(const UnitChanges& changes);
  // Completed with what the coordinator has to know: `units` is what it was told last.
  void SendHeartbeat(Heartbeat heartbeat, const ResidentUnits& units);

 private:
  // A reason that lasts is a warning once, not with every attempt.
  ConnectionEvents Logged(ConnectionEvents events);
  // What is lost shows in the numbers, or the link goes down.
  void Report(Message message);

  const std::string endpoint_;
  std::string logged_reason_;  // since the link was up
  Connection connection_;
  uint64_t residency_seq_ = 0;
};

}  // namespace promptcache

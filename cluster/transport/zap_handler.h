// Decides whose keys the listeners of a context let in (ZAP, ZeroMQ RFC 27). Internal to
// cluster/transport.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cluster/transport/keyring.h"
#include "cluster/transport/zmq_context.h"
#include "cluster/transport/zmq_message.h"

namespace promptcache {

inline constexpr char kZapDomain[] = "promptcache";

// Belongs to the reactor thread. Answers one question after the other; those that wait are
// handshakes that ZeroMQ holds within the backlog and the handshake's time.
class ZapHandler {
 public:
  // Before any listener with a key opens. kFailedPrecondition when the context has one already.
  static Result<std::unique_ptr<ZapHandler>> Open(std::shared_ptr<TransportContext> context,
                                                  const std::string& allowlist);
  ~ZapHandler();
  ZapHandler(const ZapHandler&) = delete;
  ZapHandler& operator=(const ZapHandler&) = delete;

  int event_fd() const { return EventFdOf(socket_); }
  struct Served {
    uint64_t refused = 0;
    bool all = false;  // nothing is waiting any more
  };
  // Answers what is waiting, at most `limit`.
  Served Serve(int limit);

  const Keyring& keys() const { return keys_; }
  // Reads the allowlist anew and logs that it did, or why not: then the old one holds.
  void ReloadKeys();
  // The public key that was refused last, in Z85; empty: none.
  const std::string& last_refused() const { return last_refused_; }

 private:
  ZapHandler(std::shared_ptr<TransportContext> context, Keyring keys)
      : context_(std::move(context)), keys_(std::move(keys)) {}

  enum class Outcome { kNothing, kAllowed, kRefused };
  Outcome ServeOne();

  const std::shared_ptr<TransportContext> context_;
  Keyring keys_;
  std::string last_refused_;
  void* socket_ = nullptr;
};

}  // namespace promptcache

#include "cluster/transport/zap_handler.h"

#include <zmq.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "cluster/transport/zmq_message.h"
#include "common/log.h"

namespace promptcache {
namespace {

constexpr char kZapEndpoint[] = "inproc://zeromq.zap.01";

// The frames of a question.
enum Question { kVersion, kRequest, kDomain, kAddress, kIdentity, kMechanism, kKey, kFrames };

std::string_view TextOf(ZmqPart& part) {
  return {reinterpret_cast<const char*>(part.bytes().data()), part.bytes().size()};
}

}  // namespace

Result<std::unique_ptr<ZapHandler>> ZapHandler::Open(std::shared_ptr<TransportContext> context,
                                                     const std::string& allowlist) {
  PC_ASSIGN_OR_RETURN(Keyring keys, Keyring::Open(allowlist));
  std::unique_ptr<ZapHandler> handler(new ZapHandler(std::move(context), std::move(keys)));
  handler->socket_ = zmq_socket(handler->context_->impl().context(), ZMQ_REP);
  const int linger = 0;
  if (handler->socket_ == nullptr ||
      zmq_setsockopt(handler->socket_, ZMQ_LINGER, &linger, sizeof(linger)) != 0) {
    return Unavailable(std::string("cannot open a socket: ") + zmq_strerror(errno));
  }
  if (zmq_bind(handler->socket_, kZapEndpoint) != 0) {
    return FailedPrecondition("another transport of this context decides whose keys are let in");
  }
  return handler;
}

ZapHandler::~ZapHandler() {
  if (socket_ != nullptr) zmq_close(socket_);
}

ZapHandler::Served ZapHandler::Serve(int limit) {
  Served served;
  for (int i = 0; i < limit && !served.all; ++i) {
    const Outcome outcome = ServeOne();
    served.all = outcome == Outcome::kNothing;
    if (outcome == Outcome::kRefused) ++served.refused;
  }
  return served;
}

void ZapHandler::ReloadKeys() {
  const Status read = keys_.Reload();
  if (read.ok()) {
    Log(LogLevel::kInfo, "the list of keys was read", {{"keys", keys_.size()}});
  } else {
    Log(LogLevel::kError, "the list of keys was not read; the old one holds",
        {{"reason", read.message()}});
  }
}

ZapHandler::Outcome ZapHandler::ServeOne() {
  std::array<ZmqPart, kFrames> frames;
  size_t count = 0;
  do {
    if (!frames[count].Receive(socket_)) return Outcome::kNothing;
    ++count;
  } while (frames[count - 1].more() && count < kFrames);

  std::string user;
  if (count == kFrames && !frames[kKey].more() && TextOf(frames[kMechanism]) == "CURVE") {
    if (const auto key = CurvePublicKey::FromBytes(frames[kKey].bytes()); key.ok()) {
      user = ToZ85(*key);
    }
  }
  const bool allowed = keys_.Find(user) != nullptr;
  if (!allowed) last_refused_ = user;
  const auto request = frames[kRequest].bytes();
  const std::string_view code = allowed ? "200" : "400";
  const std::string_view who = allowed ? std::string_view(user) : std::string_view();
  zmq_send(socket_, "1.0", 3, ZMQ_DONTWAIT | ZMQ_SNDMORE);
  zmq_send(socket_, request.data(), request.size(), ZMQ_DONTWAIT | ZMQ_SNDMORE);
  zmq_send(socket_, code.data(), code.size(), ZMQ_DONTWAIT | ZMQ_SNDMORE);
  zmq_send(socket_, "", 0, ZMQ_DONTWAIT | ZMQ_SNDMORE);  // no text
  zmq_send(socket_, who.data(), who.size(), ZMQ_DONTWAIT | ZMQ_SNDMORE);
  zmq_send(socket_, "", 0, ZMQ_DONTWAIT);  // no metadata
  return allowed ? Outcome::kAllowed : Outcome::kRefused;
}

}  // namespace promptcache

#include "cachestore/service/stream_server.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <system_error>
#include <utility>
#include <variant>

#include "cachestore/service/stream_frames.h"
#include "cachestore/service/wire.h"

namespace promptcache {
namespace {

constexpr std::chrono::milliseconds kTokenTime{5'000};

}  // namespace

Result<std::unique_ptr<StreamServer>> StreamServer::Start(BlobStore& blobs,
                                                          const StreamServerOptions& options) {
  PC_ASSIGN_OR_RETURN(auto listener, StreamListener::Listen(options.host, options.port));
  return std::unique_ptr<StreamServer>(new StreamServer(blobs, options, std::move(listener)));
}

StreamServer::StreamServer(BlobStore& blobs, const StreamServerOptions& options,
                           std::unique_ptr<StreamListener> listener)
    : blobs_(blobs),
      options_(options),
      listener_(std::move(listener)),
      acceptor_([this](const std::stop_token& stop) { AcceptAll(stop); }) {}

StreamServer::~StreamServer() {
  acceptor_.request_stop();
  listener_->ShutDown();
  acceptor_.join();
  std::lock_guard lock(mutex_);
  for (Connection& connection : connections_) {
    if (connection.socket) connection.socket->ShutDown();
  }
}

StreamCounters StreamServer::counters() const {
  std::lock_guard lock(mutex_);
  const auto open = std::count_if(connections_.begin(), connections_.end(),
                                  [](const Connection& one) { return one.socket != nullptr; });
  return {.open = static_cast<uint64_t>(open),
          .sent_bytes = sent_bytes_,
          .refused = refused_,
          .idle = idle_};
}

void StreamServer::AcceptAll(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  while (!stop.stop_requested()) {
    auto socket = listener_->Accept();
    if (socket.ok()) {
      Add(*std::move(socket));
      continue;
    }
    if (socket.status().code() == Code::kCancelled) return;
    // The system has no room, and would say so at once again.
    std::unique_lock lock(mutex);
    (void)stopped.wait_for(lock, stop, std::chrono::milliseconds(100), [] { return false; });
  }
}

void StreamServer::Add(std::unique_ptr<StreamSocket> socket) {
  std::lock_guard lock(mutex_);
  connections_.remove_if([](const Connection& one) { return one.socket == nullptr; });
  if (connections_.size() >= options_.max_streams) {
    ++refused_;
    return;
  }
  Connection& connection = connections_.emplace_back();
  connection.socket = std::move(socket);
  try {
    connection.thread = std::jthread([this, &connection] { Serve(connection); });
  } catch (const std::system_error&) {
    connections_.pop_back();
    ++refused_;
  }
}

void StreamServer::Serve(Connection& connection) {
  StreamSocket& socket = *connection.socket;
  Status status = socket.SendAtOnce();
  if (status.ok()) status = socket.SetTimeout(std::min(options_.idle, kTokenTime));
  std::array<uint8_t, sizeof(token_.bytes)> token{};
  if (status.ok()) status = socket.Receive(token);
  if (status.ok()) status = socket.SetTimeout(options_.idle);
  if (status.ok() && token == token_.bytes) status = ServeFetches(socket);
  // Who still wants something asks anew, in messages.
  std::lock_guard lock(mutex_);
  connection.socket.reset();
}

Status StreamServer::ServeFetches(StreamSocket& socket) {
  for (;;) {
    PC_ASSIGN_OR_RETURN(const StreamFrame frame, ReceiveStreamFrame(socket));
    const auto* fetch = std::get_if<FetchBlob>(&frame.body);
    if (fetch == nullptr || frame.payload_bytes > 0) {
      return InvalidArgument("no fetch in a stream");
    }
    const Status sent = SendBlob(socket, *fetch);
    if (sent.code() == Code::kDeadlineExceeded) ++idle_;
    PC_RETURN_IF_ERROR(sent);
  }
}

// An error is the connection's.
Status StreamServer::SendBlob(StreamSocket& socket, const FetchBlob& fetch) {
  const auto reader = fetch.inspect ? blobs_.Inspect(fetch.key) : blobs_.Open(fetch.key);
  if (!reader.ok()) return SendStreamFrame(socket, DoneOf(reader.status()));
  const uint64_t size = (*reader)->size();
  const Status range = CheckRange(fetch, size);
  if (!range.ok() || fetch.offset == size) return SendStreamFrame(socket, DoneOf(range));
  return SendChunks(socket, **reader, fetch);
}

Status StreamServer::SendChunks(StreamSocket& socket, BlobReader& reader, const FetchBlob& fetch) {
  const uint64_t end = fetch.length == 0 ? reader.size() : fetch.offset + fetch.length;
  for (uint64_t offset = fetch.offset; offset < end;) {
    const auto piece = reader.ReadUnchecked(offset);
    if (!piece.ok()) return SendStreamFrame(socket, DoneOf(piece.status()));
    const Chunk chunk{.offset = piece->offset, .blob_bytes = reader.size(), .hash = piece->hash};
    sent_bytes_ += piece->bytes.size();
    PC_RETURN_IF_ERROR(SendStreamFrame(socket, chunk, piece->bytes));
    offset = piece->offset + piece->bytes.size();
  }
  return {};
}

}  // namespace promptcache

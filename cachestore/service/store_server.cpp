#include "cachestore/service/store_server.h"

#include <algorithm>
#include <atomic>
#include <map>

#include "cachestore/service/work_pool.h"
#include "cluster/transport/peer_table.h"
#include "common/clock.h"
#include "common/log.h"

namespace promptcache {
namespace {

constexpr uint64_t kMaxMessageBytes = uint64_t{96} << 20;  // a meta value of 64 MiB

Reply ReplyOf(const Status& status) { return {status.code(), status.message()}; }

Done DoneOf(const Status& status, uint64_t bytes = 0) {
  return {.code = status.code(), .message = status.message(), .bytes = bytes};
}

BlobRecord RecordOf(const BlobInfo& info) {
  return {.key = info.key,
          .recipe = info.recipe,
          .identity = info.identity,
          .mode = info.mode,
          .bytes = info.bytes,
          .tokens = info.tokens,
          .context_tokens = info.context_tokens,
          .committed_unix_ms = info.committed_unix_ms,
          .encode_seconds = info.encode_seconds};
}

MetaRecord RecordOf(const MetaEntry& entry) { return {entry.key, entry.value, entry.revision}; }

struct TransferKey {
  PeerId peer = 0;
  RequestId id;
  auto operator<=>(const TransferKey&) const = default;
};

// A blob on its way in or out.
struct Transfer {
  std::shared_ptr<Strand> strand;
  // out
  std::unique_ptr<BlobReader> reader;
  uint64_t offset = 0;
  uint64_t end = 0;
  uint64_t credit = 0;
  bool reading = false;
  // in
  std::unique_ptr<BlobWriter> writer;
  uint64_t bytes = 0;    // that have moved
  uint64_t window = 0;   // that may still come
  bool started = false;  // reader or writer stands; before that only the strand may touch them
  bool ended = false;
};
using TransferPtr = std::shared_ptr<Transfer>;

class ServerImpl : public StoreServer {
 public:
  ServerImpl(Transport& transport, BlobStore& blobs, MetaStore* meta,
             const StoreServerOptions& options)
      : transport_(transport),
        blobs_(blobs),
        meta_(meta),
        options_(options),
        peers_(transport, TableOptions(), Events()),
        pool_(transport, options.threads) {}

  ~ServerImpl() override { alive_->store(false); }

  Status Start() {
    PC_ASSIGN_OR_RETURN(endpoint_, peers_.Listen({.endpoint = options_.endpoint,
                                                  .max_message_bytes = kMaxMessageBytes}));
    return {};
  }

  const std::string& endpoint() const override { return endpoint_; }

 private:
  static PeerTableOptions TableOptions() {
    PeerTableOptions options;
    options.name = "cachestore";
    options.epoch = static_cast<uint64_t>(SystemClock().Now().time_since_epoch().count());
    return options;
  }

  PeerEvents Events() {
    return {
        .on_down = [this](const PeerInfo& peer, const Status& /*why*/) { DropTransfers(peer.id); },
        .on_message =
            [this](const PeerInfo& peer, Envelope envelope, Frame payload) {
              Receive(peer.id, std::move(envelope), std::move(payload));
            }};
  }

  void Send(PeerId peer, const RequestId& id, Message body, Frame payload = {}) {
    const Status status =
        peers_.Send(peer, {.request_id = id, .body = std::move(body)}, std::move(payload));
    if (!status.ok()) peers_.Drop(peer, status);
  }

  // `done` runs on the reactor thread unless the server has gone.
  std::function<void()> Here(std::function<void()> done) {
    return [alive = alive_, done = std::move(done)] {
      if (alive->load()) done();
    };
  }

  void DropTransfers(PeerId peer) {
    std::erase_if(transfers_, [peer](auto& entry) {
      if (entry.first.peer != peer) return false;
      entry.second->ended = true;
      return true;
    });
  }

  void Receive(PeerId peer, Envelope envelope, Frame payload) {
    const RequestId id = envelope.request_id;
    if (auto* fetch = std::get_if<FetchBlob>(&envelope.body)) return StartFetch(peer, id, *fetch);
    if (auto* credit = std::get_if<Credit>(&envelope.body))
      return AddCredit(peer, id, credit->bytes);
    if (auto* put = std::get_if<PutBlob>(&envelope.body)) return StartPut(peer, id, *put);
    if (std::holds_alternative<Chunk>(envelope.body)) return PutChunk(peer, id, std::move(payload));
    if (std::holds_alternative<PutCommit>(envelope.body)) return Commit(peer, id);
    if (std::holds_alternative<Cancel>(envelope.body)) return Abandon(peer, id);
    Answer(peer, id, std::move(envelope.body));
  }

  // ---- requests with one answer ----

  void Answer(PeerId peer, const RequestId& id, Message request) {
    auto shared = std::make_shared<Message>(std::move(request));
    auto answer = std::make_shared<Message>();
    pool_.Submit([this, shared, answer] { *answer = Compute(*shared); },
                 Here([this, peer, id, answer] { Send(peer, id, std::move(*answer)); }));
  }

  Message Compute(const Message& request) {
    if (const auto* exists = std::get_if<BlobExists>(&request)) {
      const auto present = blobs_.Contains(exists->keys);
      if (!present.ok()) return ReplyOf(present.status());
      return BlobExistsReply{std::vector<uint8_t>(present->begin(), present->end())};
    }
    if (std::holds_alternative<BlobList>(request)) return ListBlobs();
    if (const auto* remove = std::get_if<BlobRemove>(&request)) {
      return ReplyOf(remove->corrupt ? blobs_.ReportCorrupt(remove->key)
                                     : blobs_.Remove(remove->key));
    }
    const bool is_meta = std::holds_alternative<MetaGet>(request) ||
                         std::holds_alternative<MetaSet>(request) ||
                         std::holds_alternative<MetaList>(request);
    if (!is_meta)
      return Reply{Code::kFailedPrecondition, "a cachestore does not take this message"};
    if (meta_ == nullptr) {
      return Reply{Code::kFailedPrecondition,
                   "this cachestore keeps no records (store.meta = false)"};
    }
    return ComputeMeta(request);
  }

  Message ListBlobs() {
    auto blobs = blobs_.List();
    if (!blobs.ok()) return ReplyOf(blobs.status());
    auto stats = blobs_.Stats();
    if (!stats.ok()) return ReplyOf(stats.status());
    BlobListReply reply{.puts = stats->puts,
                        .gets = stats->gets,
                        .hits = stats->hits,
                        .corruptions = stats->corruptions,
                        .bytes = stats->bytes};
    for (const BlobInfo& info : *blobs) reply.blobs.push_back(RecordOf(info));
    return reply;
  }

  Message ComputeMeta(const Message& request) {
    MetaReply reply;
    if (const auto* get = std::get_if<MetaGet>(&request)) {
      auto entry = meta_->Get(get->key);
      if (!entry.ok()) return ReplyOf(entry.status());
      if (*entry) reply.entries.push_back(RecordOf(**entry));
    } else if (const auto* set = std::get_if<MetaSet>(&request)) {
      if (set->remove) return ReplyOf(meta_->CompareAndRemove(set->key, set->expected));
      auto revision = meta_->CompareAndSet(set->key, set->expected, set->value);
      if (!revision.ok()) return ReplyOf(revision.status());
      reply.entries.push_back({set->key, "", *revision});
    } else if (const auto* list = std::get_if<MetaList>(&request)) {
      auto entries = meta_->List(list->prefix);
      if (!entries.ok()) return ReplyOf(entries.status());
      for (const MetaEntry& entry : *entries) reply.entries.push_back(RecordOf(entry));
    }
    return reply;
  }

  // ---- out ----

  // nullptr, with the refusal sent, when there are too many or the id is in use.
  TransferPtr NewTransfer(PeerId peer, const RequestId& id) {
    if (transfers_.size() >= options_.max_transfers) {
      Send(peer, id, DoneOf(Busy("too many transfers at once; try again later")));
      return nullptr;
    }
    auto transfer = std::make_shared<Transfer>();
    transfer->strand = std::make_shared<Strand>(pool_);
    if (!transfers_.emplace(TransferKey{peer, id}, transfer).second) {
      Send(peer, id, DoneOf(AlreadyExists("a transfer with this id is running")));
      return nullptr;
    }
    return transfer;
  }

  void End(PeerId peer, const RequestId& id, const TransferPtr& transfer, Done done) {
    if (transfer->ended) return;
    transfer->ended = true;
    transfers_.erase({peer, id});
    Send(peer, id, std::move(done));
  }

  void StartFetch(PeerId peer, const RequestId& id, const FetchBlob& fetch) {
    const TransferPtr transfer = NewTransfer(peer, id);
    if (!transfer) return;
    transfer->credit = std::min(fetch.credit, options_.max_credit_bytes);
    auto opened = std::make_shared<Status>();
    transfer->strand->Run(
        [this, fetch, transfer, opened] {
          auto reader = blobs_.Open(fetch.key);
          if (!reader.ok()) {
            *opened = reader.status();
            return;
          }
          const uint64_t size = (*reader)->size();
          if (fetch.offset > size || fetch.length > size - fetch.offset) {
            *opened = InvalidArgument("the range is outside the blob of " + std::to_string(size) +
                                      " bytes");
            return;
          }
          transfer->offset = fetch.offset;
          transfer->end = fetch.length == 0 ? size : fetch.offset + fetch.length;
          transfer->reader = *std::move(reader);
        },
        Here([this, peer, id, transfer, opened] {
          if (!opened->ok()) return End(peer, id, transfer, DoneOf(*opened));
          transfer->started = true;
          Pump(peer, id, transfer);
        }));
  }

  void AddCredit(PeerId peer, const RequestId& id, uint64_t bytes) {
    const auto found = transfers_.find({peer, id});
    if (found == transfers_.end()) return;
    Transfer& transfer = *found->second;
    transfer.credit = std::min(options_.max_credit_bytes,
                               transfer.credit + std::min(bytes, options_.max_credit_bytes));
    Pump(peer, id, found->second);
  }

  // Reads and sends the next chunk while there is credit.
  void Pump(PeerId peer, const RequestId& id, const TransferPtr& transfer) {
    if (!transfer->started || transfer->ended || transfer->reading) return;
    if (transfer->offset == transfer->end) {
      return End(peer, id, transfer, DoneOf({}, transfer->bytes));
    }
    if (transfer->credit == 0) return;
    transfer->reading = true;
    const uint64_t limit =
        std::min({options_.chunk_bytes, transfer->credit, transfer->end - transfer->offset});
    auto read = std::make_shared<Result<PinnedBytes>>(Internal("not read"));
    transfer->strand->Run(
        [transfer, limit, read] { *read = transfer->reader->ReadPinned(transfer->offset, limit); },
        Here([this, peer, id, transfer, read] { SendChunk(peer, id, transfer, *read); }));
  }

  void SendChunk(PeerId peer, const RequestId& id, const TransferPtr& transfer,
                 const Result<PinnedBytes>& read) {
    transfer->reading = false;
    if (transfer->ended) return;
    if (!read.ok()) return End(peer, id, transfer, DoneOf(read.status(), transfer->bytes));
    const uint64_t offset = transfer->offset;
    const uint64_t count = read->bytes.size();
    transfer->offset += count;
    transfer->bytes += count;
    transfer->credit -= count;
    Send(peer, id, Chunk{offset, transfer->reader->size()}, Frame::Share(read->owner, read->bytes));
    Pump(peer, id, transfer);
  }

  void Abandon(PeerId peer, const RequestId& id) {
    const auto found = transfers_.find({peer, id});
    if (found == transfers_.end()) return;
    found->second->ended = true;
    transfers_.erase(found);
  }

  // ---- in ----

  void StartPut(PeerId peer, const RequestId& id, const PutBlob& put) {
    const TransferPtr transfer = NewTransfer(peer, id);
    if (!transfer) return;
    auto started = std::make_shared<Status>();
    transfer->strand->Run(
        [this, put, transfer, started] {
          auto writer = blobs_.StartPut(put.key, put.bytes);
          if (writer.ok()) transfer->writer = *std::move(writer);
          *started = writer.status();
        },
        Here([this, peer, id, transfer, started] {
          if (!started->ok()) {
            Done done = DoneOf(*started);
            done.committed = started->code() == Code::kAlreadyExists;
            return End(peer, id, transfer, std::move(done));
          }
          transfer->started = true;
          transfer->window = options_.put_window_bytes;
          Send(peer, id, Credit{options_.put_window_bytes});
        }));
  }

  void PutChunk(PeerId peer, const RequestId& id, Frame payload) {
    const auto found = transfers_.find({peer, id});
    if (found == transfers_.end()) return;
    const TransferPtr transfer = found->second;
    if (payload.empty() || payload.size() > transfer->window) {
      return End(peer, id, transfer,
                 DoneOf(InvalidArgument("a chunk without bytes, or more than the credit given")));
    }
    transfer->window -= payload.size();
    auto status = std::make_shared<Status>();
    const uint64_t count = payload.size();
    transfer->strand->Run([transfer, payload = std::move(payload),
                           status] { *status = transfer->writer->Append(payload.bytes()); },
                          Here([this, peer, id, transfer, status, count] {
                            if (transfer->ended) return;
                            if (!status->ok()) return End(peer, id, transfer, DoneOf(*status));
                            transfer->bytes += count;
                            transfer->window += count;
                            Send(peer, id, Credit{count});
                          }));
  }

  void Commit(PeerId peer, const RequestId& id) {
    const auto found = transfers_.find({peer, id});
    if (found == transfers_.end() || !found->second->started) return;
    const TransferPtr transfer = found->second;
    if (!transfer->writer) return;
    auto status = std::make_shared<Status>();
    transfer->strand->Run([transfer, status] { *status = transfer->writer->Commit(); },
                          Here([this, peer, id, transfer, status] {
                            Done done = DoneOf(*status, transfer->bytes);
                            done.committed = status->ok();
                            End(peer, id, transfer, std::move(done));
                          }));
  }

  // Constant after construction.
  Transport& transport_;
  BlobStore& blobs_;
  MetaStore* const meta_;
  const StoreServerOptions options_;
  const std::shared_ptr<std::atomic<bool>> alive_ = std::make_shared<std::atomic<bool>>(true);

  // Owned by the reactor thread.
  std::string endpoint_;
  std::map<TransferKey, TransferPtr> transfers_;
  PeerTable peers_;

  // Its threads use the stores; last, so that it ends first.
  WorkPool pool_;
};

}  // namespace

Result<std::unique_ptr<StoreServer>> StoreServer::Create(Transport& transport, BlobStore& blobs,
                                                         MetaStore* meta,
                                                         const StoreServerOptions& options) {
  auto server = std::make_unique<ServerImpl>(transport, blobs, meta, options);
  PC_RETURN_IF_ERROR(server->Start());
  return std::unique_ptr<StoreServer>(std::move(server));
}

}  // namespace promptcache

#include "cachestore/service/store_server.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "cachestore/service/answers.h"
#include "cachestore/service/damage_reports.h"
#include "cachestore/service/stream_server.h"
#include "cachestore/service/transfer.h"
#include "cluster/transport/peer_table.h"

namespace promptcache {
namespace {

// Requests may give any number.
constexpr std::chrono::hours kLongestTimeout{24};

struct TransferKey {
  PeerId peer = 0;
  RequestId id;
  auto operator<=>(const TransferKey&) const = default;
};

struct RunningTransfer {
  std::shared_ptr<Transfer> transfer;
  uint64_t moved_bytes = UINT64_MAX;  // when it was looked at last; never
  std::chrono::milliseconds idle{0};  // since it went on, as often as it was looked at
};

// A request with one answer, while it waits and is worked on.
struct Question {
  Message request;
  SteadyTime deadline;
  Budget::Part part;
  Message answer;
};

class ServerImpl : public StoreServer {
 public:
  ServerImpl(Transport& transport, const StoreParts& store, const StoreServerOptions& options)
      : store_(store),
        options_(options),
        transport_(transport),
        slots_(options.max_transfers),
        peers_(transport, TableOptions(), Events()),
        pool_(transport, options.threads),
        context_{.blobs = store.blobs,
                 .options = options,
                 .jobs = pool_.queue(),
                 .bytes = std::make_shared<FairBudget<>>(options.max_held_bytes)} {}
  ~ServerImpl() override { transport_.CancelTimer(timer_); }

  Status Start() {
    PC_ASSIGN_OR_RETURN(endpoint_, peers_.Listen({.endpoint = options_.endpoint,
                                                  .max_message_bytes = kMaxStoreMessageBytes}));
    PC_RETURN_IF_ERROR(StartStreams());
    timer_ = transport_.After(LookEvery(), [this] { EndIdle(); });
    return {};
  }

  const std::string& endpoint() const override { return endpoint_; }
  const PeerCounters& links() const override { return peers_.counters(); }
  StreamCounters streams() const override {
    return streams_ ? streams_->counters() : StreamCounters();
  }

 private:
  static PeerTableOptions TableOptions() {
    PeerTableOptions options;
    options.name = "cachestore";
    options.epoch = static_cast<uint64_t>(SystemClock().Now().time_since_epoch().count());
    // The places are for those that work with a store: clients, of whom there may be any number,
    // would take them.
    options.admit = [](const Hello& hello) -> Status {
      const bool has_work = hello.role == PeerRole::kWorker ||
                            hello.role == PeerRole::kCoordinator || hello.role == PeerRole::kAdmin;
      if (has_work) return {};
      return FailedPrecondition(
          "a cachestore is for workers, coordinators and admins; clients ask a coordinator");
    };
    return options;
  }

  PeerEvents Events() {
    return {
        .on_down = [this](const PeerInfo& peer, const Status& /*why*/) { DropTransfers(peer.id); },
        .on_message =
            [this](const PeerInfo& peer, Envelope envelope, Frame payload) {
              const TransferKey key{peer.id, envelope.request_id};
              if (!HandleTransfer(key, envelope, std::move(payload))) {
                Answer(key, std::move(envelope));
              }
            }};
  }

  // None where links have keys: what goes over a bare connection is read by whoever listens.
  Status StartStreams() {
    const std::string host = HostOf(endpoint_);
    const bool has_streams = !host.empty() && transport_.self() == nullptr;
    if (!has_streams || options_.max_streams == 0) return {};
    PC_ASSIGN_OR_RETURN(streams_,
                        StreamServer::Start(store_.blobs, {.host = host,
                                                           .port = options_.stream_port,
                                                           .max_streams = options_.max_streams,
                                                           .idle = options_.transfer_idle}));
    peers_.OfferStreams(streams_->port(), streams_->token());
    return {};
  }

  // A peer that cannot be sent to has gone or does not read; either way it starts anew.
  void Send(const TransferKey& to, Message body, Frame payload = {}) {
    const bool is_reply = std::holds_alternative<Reply>(body);
    const Status status =
        peers_.Send(to.peer, {.request_id = to.id, .body = std::move(body)}, std::move(payload));
    if (status.ok()) return;
    if (status.code() == Code::kResourceExhausted && !is_reply) return Send(to, ReplyOf(status));
    peers_.Drop(to.peer, status);
  }

  // All links with one key count together.
  std::string HolderOf(PeerId peer) const {
    const PeerInfo* info = peers_.Find(peer);
    if (info == nullptr || info->key == nullptr) return "link " + std::to_string(peer);
    return "key " + info->key->owner().name;
  }

  SteadyTime DeadlineOf(const Envelope& envelope) const {
    if (envelope.timeout_ms == 0) return SteadyTime::max();
    const std::chrono::milliseconds longest = kLongestTimeout;
    return options_.clock->Now() +
           std::min(longest, std::chrono::milliseconds(std::min<uint64_t>(
                                 envelope.timeout_ms, static_cast<uint64_t>(longest.count()))));
  }

  // ---- requests with one answer ----

  void Answer(const TransferKey& from, Envelope envelope) {
    if (std::holds_alternative<Reply>(envelope.body))
      return;  // an answer to it could go on forever
    if (!IsStoreRequest(envelope.body)) {
      return Send(from, ReplyOf(FailedPrecondition("a cachestore does not take this message")));
    }
    auto question = std::make_shared<Question>();
    question->deadline = DeadlineOf(envelope);
    question->part = context_.bytes->Take(HolderOf(from.peer), RequestBytes(envelope.body));
    if (!question->part) {
      return Send(from, ReplyOf(Busy("the cachestore has too many requests; try again later")));
    }
    question->request = std::move(envelope.body);
    pool_.Submit({.work = [this, question] { Work(*question); },
                  .done =
                      [this, question, from, alive = std::weak_ptr<const bool>(alive_)] {
                        if (!alive.expired()) SendAnswer(from, std::move(question->answer));
                      }});
  }

  void SendAnswer(const TransferKey& to, Message answer) {
    auto* stats = std::get_if<StoreStats>(&answer);
    if (stats != nullptr) stats->idle_transfers = idle_transfers_ + streams().idle;
    Send(to, std::move(answer));
  }

  // On a thread of the pool.
  void Work(Question& question) {
    question.answer =
        options_.clock->Now() <= question.deadline
            ? AnswerOf(question.request)
            : ReplyOf(DeadlineExceeded("the request waited longer for a thread of the cachestore "
                                       "than its sender waits"));
    question.request = {};
  }

  // On a thread of the pool.
  Message AnswerOf(const Message& request) {
    const auto* remove = std::get_if<BlobRemove>(&request);
    if (remove == nullptr || !remove->corrupt) return AnswerRequest(store_, request);
    return ReplyOf(reports_.LookInto(store_.blobs, remove->key));
  }

  // ---- transfers ----

  // False when the message is none of a transfer's.
  bool HandleTransfer(const TransferKey& key, const Envelope& envelope, Frame payload) {
    const Message& body = envelope.body;
    const bool begins =
        std::holds_alternative<FetchBlob>(body) || std::holds_alternative<PutBlob>(body);
    if (begins) {
      Begin(key, envelope);
      return true;
    }
    const bool is_commit = std::holds_alternative<PutCommit>(body);
    const bool is_cancel = std::holds_alternative<Cancel>(body);
    const auto* credit = std::get_if<Credit>(&body);
    if (!is_commit && !is_cancel && credit == nullptr && !std::holds_alternative<Chunk>(body)) {
      return false;
    }
    const auto found = transfers_.find(key);
    if (found == transfers_.end()) {
      // The others may have crossed the last word; who commits waits for an answer.
      if (is_commit) Send(key, DoneOf(NotFound("no put with this id is running")));
      return true;
    }
    const std::shared_ptr<Transfer> transfer = found->second.transfer;  // it may end itself
    if (is_cancel) {
      transfers_.erase(found);
    } else if (is_commit) {
      transfer->OnCommit();
    } else if (credit != nullptr) {
      transfer->OnCredit(credit->bytes);
    } else {
      transfer->OnChunk(std::move(payload));
    }
    return true;
  }

  void Begin(const TransferKey& key, const Envelope& envelope) {
    if (transfers_.contains(key)) {
      return Send(key, DoneOf(AlreadyExists("a transfer with this id is running")));
    }
    const std::string holder = HolderOf(key.peer);
    TransferLink link{
        .send = [this, key](Message body,
                            Frame payload) { Send(key, std::move(body), std::move(payload)); },
        .end =
            [this, key](Done done) {
              transfers_.erase(key);
              Send(key, std::move(done));
            },
        .holder = holder,
        .slot = slots_.Take(holder, 1),
        .request = context_.bytes->Take(holder, RequestBytes(envelope.body)),
        .deadline = DeadlineOf(envelope)};
    if (!link.slot) return Send(key, DoneOf(Busy("too many transfers at once; try again later")));
    if (!link.request) {
      return Send(key, DoneOf(Busy("the cachestore has too many requests; try again later")));
    }
    const auto* fetch = std::get_if<FetchBlob>(&envelope.body);
    transfers_[key].transfer =
        fetch != nullptr ? StartFetch(context_, std::move(link), *fetch)
                         : StartPut(context_, std::move(link), std::get<PutBlob>(envelope.body));
  }

  void DropTransfers(PeerId peer) {
    std::erase_if(transfers_, [peer](const auto& entry) { return entry.first.peer == peer; });
  }

  std::chrono::milliseconds LookEvery() const {
    return std::max(options_.transfer_idle / 4, std::chrono::milliseconds(1));
  }

  void EndIdle() {
    std::vector<std::shared_ptr<Transfer>> idle;
    for (auto& [key, running] : transfers_) {
      const uint64_t moved = running.transfer->moved_bytes();
      const bool stands = running.transfer->WaitsForPeer() && moved == running.moved_bytes;
      running.moved_bytes = moved;
      running.idle = stands ? running.idle + LookEvery() : std::chrono::milliseconds(0);
      if (running.idle >= options_.transfer_idle) idle.push_back(running.transfer);
    }
    idle_transfers_ += idle.size();
    for (const auto& transfer : idle) {
      transfer->Fail(DeadlineExceeded("the peer did not go on for " +
                                      std::to_string(options_.transfer_idle.count()) +
                                      " ms (store.transfer_idle_ms)"));
    }
    timer_ = transport_.After(LookEvery(), [this] { EndIdle(); });
  }

  // Constant after construction.
  const StoreParts store_;
  const StoreServerOptions options_;
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);

  // Owned by the reactor thread.
  Transport& transport_;
  TimerId timer_ = 0;
  uint64_t idle_transfers_ = 0;  // that were ended
  std::string endpoint_;
  FairBudget<> slots_;  // of transfers
  PeerTable peers_;

  DamageReports reports_;
  // Its threads use the stores and `this`.
  WorkPool pool_;
  const TransferContext context_;
  std::unique_ptr<StreamServer> streams_;  // null: there are none; constant after Start
  std::map<TransferKey, RunningTransfer> transfers_;
};

Status CheckOptions(const StoreServerOptions& options) {
  if (options.threads == 0) return InvalidArgument("a store server needs a thread");
  if (options.chunk_bytes == 0 || options.chunk_bytes > kMaxStoreMessageBytes) {
    return InvalidArgument("chunk_bytes = " + std::to_string(options.chunk_bytes) +
                           ", allowed 1 to " + std::to_string(kMaxStoreMessageBytes));
  }
  if (options.put_window_bytes == 0 || options.max_credit_bytes == 0) {
    return InvalidArgument("without put_window_bytes and max_credit_bytes nothing moves");
  }
  if (options.transfer_idle.count() <= 0)
    return InvalidArgument("without transfer_idle no transfer lasts");
  return {};
}

}  // namespace

Result<std::unique_ptr<StoreServer>> StoreServer::Create(Transport& transport,
                                                         const StoreParts& store,
                                                         const StoreServerOptions& options) {
  PC_RETURN_IF_ERROR(CheckOptions(options));
  auto server = std::make_unique<ServerImpl>(transport, store, options);
  PC_RETURN_IF_ERROR(server->Start());
  return std::unique_ptr<StoreServer>(std::move(server));
}

}  // namespace promptcache

#include "cluster/client/client.h"

#include <algorithm>
#include <future>
#include <thread>
#include <unordered_map>

#include "cluster/transport/connection.h"
#include "cluster/transport/link_security.h"
#include "cluster/transport/zmq_transport.h"
#include "common/clock.h"

namespace promptcache {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kMaxMessageBytes = uint64_t{96} << 20;
constexpr milliseconds kCallTimeout{60'000};
// After a request's deadline the coordinator still gets this long to say so itself.
constexpr milliseconds kDeadlineGrace{500};
// Longer ones would leave the range of the clock.
constexpr milliseconds kLongestDeadline{std::chrono::hours(24 * 365)};
// Between attempts at one coordinator after the other: one more each time, up to the last.
constexpr milliseconds kFailoverStep{50};
constexpr milliseconds kFailoverMax{2'000};
constexpr milliseconds kShortestAttempt{100};

using CallCallback = std::function<void(Result<Message>)>;

// A request whose answer streams.
struct Stream {
  Answer answer;
  SteadyTime start;
  uint32_t next_seq = 0;
  PartialCallback on_partial;
  FinalCallback on_final;
  TimerId deadline = 0;
};

struct PendingCall {
  CallCallback callback;
  TimerId timeout = 0;
};

class ClientImpl : public Client {
 public:
  explicit ClientImpl(ClientOptions options) : options_(std::move(options)) {}

  ~ClientImpl() override {
    if (!transport_) return;
    transport_->Post([this] {
      EndAll(Cancelled("the client was closed"));
      connection_.reset();
      transport_->Stop();
    });
    if (thread_.joinable()) thread_.join();
  }

  Status Start() {
    if (options_.endpoints.empty()) return InvalidArgument("a client needs an endpoint");
    PC_ASSIGN_OR_RETURN(const LinkSecurity security,
                        LoadLinkSecurity({.own_key = options_.key_file,
                                          .allow_plaintext = options_.allow_plaintext},
                                         "client", {PeerRole::kClient, PeerRole::kAdmin}));
    std::string tried;
    for (const std::string& endpoint : options_.endpoints) {
      PC_RETURN_IF_ERROR(ParseEndpointFor(security, endpoint, EndpointUse::kConnect).status());
      tried += (tried.empty() ? "" : ", ") + endpoint;
    }
    PC_ASSIGN_OR_RETURN(transport_,
                        ZmqTransport::Create({.context = options_.context, .security = security}));
    PC_RETURN_IF_ERROR(OpenNext());
    auto connected = connected_.get_future();
    thread_ = std::jthread([this] { transport_->Run(); });
    if (connected.wait_for(options_.connect_timeout) == std::future_status::ready) {
      return connected.get();
    }
    return Unavailable("no coordinator answers at " + tried +
                       "; start one with `promptcache up`, or name another with --connect");
  }

  Answer Submit(const struct Submit& request, const SubmitOptions& options,
                PartialCallback on_partial) override {
    std::promise<Answer> done;
    auto answer = done.get_future();
    SubmitAsync(request, options, std::move(on_partial),
                [&done](Answer final) { done.set_value(std::move(final)); });
    return answer.get();
  }

  RequestId SubmitAsync(const struct Submit& request, const SubmitOptions& options,
                        PartialCallback on_partial, FinalCallback on_final) override {
    const RequestId id = RequestId::Random();
    auto stream = std::make_shared<Stream>();
    stream->answer.request_id = id;
    stream->start = SystemClock().Now();
    stream->on_partial = std::move(on_partial);
    stream->on_final = std::move(on_final);
    transport_->Post(
        [this, id, request, options, stream] { StartStream(id, request, options, stream); });
    return id;
  }

  void Cancel(const RequestId& request) override {
    transport_->Post([this, request] {
      if (!streams_.contains(request)) return;
      const Status sent = connection_->Send({.request_id = request, .body = promptcache::Cancel{}});
      if (!sent.ok()) EndStream(request, Cancelled("cancelled; the coordinator was not reachable"));
    });
  }

  Result<SchemaInfo> AddSchema(const SchemaAdd& schema) override {
    PC_ASSIGN_OR_RETURN(auto reply, Call<SchemaReply>(schema));
    if (reply.schemas.size() != 1) return Unexpected();
    return std::move(reply.schemas.front());
  }

  Result<std::vector<SchemaInfo>> ListSchemas(const std::string& name) override {
    PC_ASSIGN_OR_RETURN(auto reply, Call<SchemaReply>(SchemaList{name}));
    return std::move(reply.schemas);
  }

  Status RemoveSchema(const std::string& name) override {
    PC_ASSIGN_OR_RETURN(const Reply reply, Call<Reply>(SchemaRemove{name}));
    return reply.code == Code::kOk ? Status() : Status(reply.code, reply.message);
  }

  Result<StatusReply> GetStatus() override { return Call<StatusReply>(StatusQuery{}); }

  Result<UnitsDropped> DropUnits(const std::vector<UnitKey>& keys) override {
    return Call<UnitsDropped>(UnitsDrop{keys});
  }

 private:
  static Status Unexpected() {
    return Unavailable("the coordinator gave an answer of another kind");
  }

  // ---- the link ----

  // Connects to the next of the coordinators, the first one first.
  Status OpenNext() {
    ConnectionOptions options;
    options.connect = {.endpoint = options_.endpoints[next_endpoint_++ % options_.endpoints.size()],
                       .max_message_bytes = kMaxMessageBytes};
    options.hello = {.role = PeerRole::kClient, .name = options_.name};
    // So that every coordinator gets its turn before the first connection is given up.
    const milliseconds turn =
        options_.connect_timeout / static_cast<int64_t>(options_.endpoints.size() + 1);
    options.lease = std::clamp(turn, kShortestAttempt, options.lease);
    connection_ = std::make_unique<Connection>(
        *transport_, options,
        ConnectionEvents{
            .on_up = [this](const HelloAck& /*ack*/) { Settle({}); },
            .on_down = [this](const Status& why) { LinkDown(why); },
            .on_message = [this](Envelope envelope,
                                 const Frame& /*payload*/) { Receive(std::move(envelope)); }});
    return connection_->Start();
  }

  void LinkDown(const Status& why) {
    EndAll(Unavailable("the coordinator was lost: " + why.message()));
    ++failures_;
    // Refused by all of them: waiting for the time-out would only hide why.
    if (!IsRetryable(why.code()) && failures_ >= options_.endpoints.size()) Settle(why);
    if (options_.endpoints.size() == 1) return;  // the connection tries again by itself
    connection_->Stop();
    OpenNextLater();
  }

  void OpenNextLater() {
    const milliseconds delay = std::min(failures_ * kFailoverStep, kFailoverMax);
    transport_->After(delay, [this] {
      if (OpenNext().ok()) return;
      ++failures_;
      OpenNextLater();
    });
  }

  // Tells Start how the first connecting ended.
  void Settle(const Status& status) {
    if (!std::exchange(settled_, true)) connected_.set_value(status);
  }

  void EndAll(const Status& status) {
    while (!streams_.empty()) EndStream(streams_.begin()->first, status);
    while (!calls_.empty()) Complete(calls_.begin()->first, status);
  }

  void Receive(Envelope envelope) {
    failures_ = 0;
    if (streams_.contains(envelope.request_id)) return ReceiveForStream(std::move(envelope));
    Complete(envelope.request_id, std::move(envelope.body));
  }

  // ---- streams ----

  void StartStream(const RequestId& id, const struct Submit& request, const SubmitOptions& options,
                   const std::shared_ptr<Stream>& stream) {
    streams_.emplace(id, stream);
    if (Status valid = request.options.Validate(); !valid.ok()) return EndStream(id, valid);
    stream->answer.samples.resize(request.options.samples);
    const milliseconds deadline = std::clamp(options.deadline, milliseconds(1), kLongestDeadline);
    const Status sent = connection_->Send(
        {.request_id = id, .timeout_ms = static_cast<uint64_t>(deadline.count()), .body = request});
    if (!sent.ok()) return EndStream(id, sent.WithContext("not sent"));
    stream->deadline = transport_->After(deadline + kDeadlineGrace, [this, id] {
      Abandon(id, DeadlineExceeded("no answer came before the deadline"));
    });
  }

  void ReceiveForStream(Envelope envelope) {
    const RequestId id = envelope.request_id;
    const std::shared_ptr<Stream> stream = streams_[id];
    if (const auto* accepted = std::get_if<Accepted>(&envelope.body)) {
      stream->answer.schema = accepted->schema;
      stream->answer.version = accepted->version;
    } else if (const auto* partial = std::get_if<Partial>(&envelope.body)) {
      ReceivePartial(id, *stream, *partial);
    } else if (auto* final = std::get_if<Final>(&envelope.body)) {
      stream->answer.usage = std::move(final->usage);
      EndStream(id, final->code == Code::kOk ? Status() : Status(final->code, final->message));
    } else if (const auto* reply = std::get_if<Reply>(&envelope.body)) {
      EndStream(id, reply->code == Code::kOk ? Unexpected() : Status(reply->code, reply->message));
    }
  }

  void ReceivePartial(const RequestId& id, Stream& stream, const Partial& partial) {
    if (partial.seq < stream.next_seq) return;  // seen already
    if (partial.seq > stream.next_seq) {
      return Abandon(id, Unavailable("a part of the answer was lost; send the request again"));
    }
    Answer& answer = stream.answer;
    if (partial.sample >= answer.samples.size()) {
      return Abandon(id, Unavailable("a part came of sample " + std::to_string(partial.sample) +
                                     ", which was not asked for"));
    }
    ++stream.next_seq;
    if (answer.client_ttft_ms == 0 && !partial.tokens.empty()) {
      answer.client_ttft_ms = MillisecondsBetween(stream.start, SystemClock().Now());
    }
    SampleAnswer& sample = answer.samples[partial.sample];
    sample.tokens.insert(sample.tokens.end(), partial.tokens.begin(), partial.tokens.end());
    sample.text += partial.text;
    sample.logprobs.insert(sample.logprobs.end(), partial.logprobs.begin(), partial.logprobs.end());
    if (stream.on_partial) stream.on_partial(partial);
  }

  // Ends a request that the coordinator still works on.
  void Abandon(const RequestId& id, const Status& status) {
    // Not reachable: then the coordinator drops the request as it notices.
    (void)connection_->Send({.request_id = id, .body = promptcache::Cancel{}}).ok();
    EndStream(id, status);
  }

  void EndStream(const RequestId& id, const Status& status) {
    auto entry = streams_.extract(id);
    if (entry.empty()) return;
    Stream& stream = *entry.mapped();
    transport_->CancelTimer(stream.deadline);
    stream.answer.status = status;
    stream.answer.client_total_ms = MillisecondsBetween(stream.start, SystemClock().Now());
    if (stream.on_final) stream.on_final(std::move(stream.answer));
  }

  // ---- calls with one answer ----

  template <typename T>
  Result<T> Call(Message request) {
    std::promise<Result<Message>> done;
    auto answer = done.get_future();
    transport_->Post([this, &done, &request] {
      StartCall(std::move(request),
                [&done](Result<Message> message) { done.set_value(std::move(message)); });
    });
    PC_ASSIGN_OR_RETURN(Message message, answer.get());
    if (auto* wanted = std::get_if<T>(&message)) return std::move(*wanted);
    if (const auto* reply = std::get_if<Reply>(&message)) {
      if (reply->code != Code::kOk) return Status(reply->code, reply->message);
    }
    return Unexpected();
  }

  void StartCall(Message request, CallCallback callback) {
    const RequestId id = RequestId::Random();
    const Status sent =
        connection_->Send({.request_id = id,
                           .timeout_ms = static_cast<uint64_t>(kCallTimeout.count()),
                           .body = std::move(request)});
    if (!sent.ok()) return callback(sent.WithContext("not sent"));
    const TimerId timeout = transport_->After(kCallTimeout, [this, id] {
      Complete(id, DeadlineExceeded("the coordinator does not answer"));
    });
    calls_.emplace(id, PendingCall{std::move(callback), timeout});
  }

  void Complete(const RequestId& id, Result<Message> message) {
    auto entry = calls_.extract(id);
    if (entry.empty()) return;
    transport_->CancelTimer(entry.mapped().timeout);
    entry.mapped().callback(std::move(message));
  }

  const ClientOptions options_;
  std::unique_ptr<ZmqTransport> transport_;
  std::promise<Status> connected_;

  // Owned by the client's thread once it runs.
  std::unique_ptr<Connection> connection_;
  size_t next_endpoint_ = 0;
  bool settled_ = false;
  uint32_t failures_ = 0;  // of links, since the last answer
  std::unordered_map<RequestId, std::shared_ptr<Stream>> streams_;
  std::unordered_map<RequestId, PendingCall> calls_;

  std::jthread thread_;
};

}  // namespace

Result<std::unique_ptr<Client>> Client::Connect(ClientOptions options) {
  auto client = std::make_unique<ClientImpl>(std::move(options));
  PC_RETURN_IF_ERROR(client->Start());
  return std::unique_ptr<Client>(std::move(client));
}

}  // namespace promptcache

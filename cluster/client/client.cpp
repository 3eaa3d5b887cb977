#include "cluster/client/client.h"

#include <future>
#include <thread>
#include <utility>

#include "cluster/client/client_reactor.h"
#include "cluster/transport/link_security.h"
#include "cluster/transport/zmq_transport.h"
#include "common/clock.h"

namespace promptcache {
namespace {

constexpr size_t kMaxBatchItems = 65'536;  // a coordinator ends the link of who sends more

Status Unexpected() { return Unavailable("the coordinator gave an answer of another kind"); }

Status StatusOf(const Reply& reply) {
  return reply.code == Code::kOk ? Status() : Status(reply.code, reply.message);
}

// The reactor's thread, and what brings calls there and answers back.
class ClientImpl : public Client {
 public:
  explicit ClientImpl(ClientOptions options) : options_(std::move(options)) {}

  ~ClientImpl() override {
    if (!transport_) return;
    transport_->Post([this] {
      if (reactor_) reactor_->EndAll(Cancelled("the client was closed"));
      reactor_.reset();
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
    reactor_ = std::make_unique<ClientReactor>(*transport_, SystemClock(), options_);
    PC_RETURN_IF_ERROR(
        reactor_->Start([this](const Status& status) { connected_.set_value(status); }));
    auto connected = connected_.get_future();
    thread_ = std::jthread([this] { transport_->Run(); });
    if (connected.wait_for(options_.connect_timeout) == std::future_status::ready) {
      return connected.get();
    }
    const std::string why = LastLoss();
    return Unavailable("no coordinator answers at " + tried +
                       (why.empty() ? "" : " (" + why + ")") +
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
    StreamCallbacks callbacks{std::move(on_partial), std::move(on_final)};
    transport_->Post([this, id, request, options, callbacks = std::move(callbacks)]() mutable {
      reactor_->Submit(id, request, options, std::move(callbacks));
    });
    return id;
  }

  void Cancel(const RequestId& request) override {
    transport_->Post([this, request] { reactor_->Cancel(request); });
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
    return StatusOf(reply);
  }

  Result<StatusReply> GetStatus() override { return Call<StatusReply>(StatusQuery{}); }

  Result<UnitsDropped> DropUnits(const std::vector<UnitKey>& keys) override {
    return Call<UnitsDropped>(UnitsDrop{keys});
  }

  Result<ExplainReply> Explain(const std::optional<RequestId>& request) override {
    return Call<ExplainReply>(ExplainQuery{request});
  }

  Status DrainWorker(const std::string& worker, DrainChange change) override {
    PC_ASSIGN_OR_RETURN(const Reply reply, Call<Reply>(promptcache::DrainWorker{worker, change}));
    return StatusOf(reply);
  }

  Result<BatchInfo> AddBatch(const RequestId& id, const BatchAdd& batch) override {
    if (batch.items.size() > kMaxBatchItems) {
      return ResourceExhausted("the batch has " + std::to_string(batch.items.size()) +
                               " items; at most " + std::to_string(kMaxBatchItems) +
                               " are allowed: send them in several batches");
    }
    PC_ASSIGN_OR_RETURN(auto reply, Call<BatchReply>(batch, id));
    if (reply.batches.size() != 1) return Unexpected();
    return std::move(reply.batches.front());
  }

  Result<BatchReply> QueryBatches(const BatchQuery& query) override {
    return Call<BatchReply>(query);
  }

  Status RemoveBatch(const RequestId& id) override {
    PC_ASSIGN_OR_RETURN(const Reply reply, Call<Reply>(BatchRemove{id}));
    return StatusOf(reply);
  }

 private:
  // Why the link was down last, as its thread knows it.
  std::string LastLoss() {
    std::promise<std::string> said;
    transport_->Post([&] { said.set_value(reactor_->last_loss()); });
    return said.get_future().get();
  }

  template <typename T>
  Result<T> Call(Message request, const RequestId& id = RequestId::Random()) {
    std::promise<Result<Message>> done;
    auto answer = done.get_future();
    transport_->Post([this, id, &done, &request] {
      reactor_->Call(id, std::move(request),
                     [&done](Result<Message> message) { done.set_value(std::move(message)); });
    });
    PC_ASSIGN_OR_RETURN(Message message, answer.get());
    if (auto* wanted = std::get_if<T>(&message)) return std::move(*wanted);
    const auto* reply = std::get_if<Reply>(&message);
    return reply == nullptr || reply->code == Code::kOk ? Unexpected() : StatusOf(*reply);
  }

  const ClientOptions options_;
  std::unique_ptr<ZmqTransport> transport_;
  std::promise<Status> connected_;
  std::unique_ptr<ClientReactor> reactor_;  // of the client's thread once it runs
  std::jthread thread_;
};

}  // namespace

Result<std::unique_ptr<Client>> Client::Connect(ClientOptions options) {
  auto client = std::make_unique<ClientImpl>(std::move(options));
  PC_RETURN_IF_ERROR(client->Start());
  return std::unique_ptr<Client>(std::move(client));
}

}  // namespace promptcache

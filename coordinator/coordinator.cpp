#include "coordinator/coordinator.h"

#include <unistd.h>

#include <atomic>

#include "cluster/transport/peer_table.h"
#include "common/formats/gguf.h"
#include "common/log.h"
#include "common/text/load_tokenizer.h"
#include "coordinator/meta_client.h"
#include "coordinator/plan/plan_builder.h"
#include "coordinator/planner.h"
#include "coordinator/registry/registry.h"
#include "coordinator/session/session.h"

namespace promptcache {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTick{20};
constexpr uint64_t kMessageOverhead = 1 << 20;
constexpr uint64_t kMaxWorkerMessage = uint64_t{64} << 20;

SessionLimits LimitsOf(const CoordinatorSettings& settings) {
  return {.max_active_requests = static_cast<uint32_t>(settings.max_active_requests),
          .default_deadline = milliseconds(settings.default_deadline_ms),
          .worker_wait = milliseconds(settings.worker_wait_ms)};
}

Reply ReplyOf(const Status& status) { return {status.code(), status.message()}; }

class CoordinatorImpl : public Coordinator {
 public:
  CoordinatorImpl(Transport& transport, const CoordinatorSettings& settings, ServedModel model)
      : transport_(transport),
        settings_(settings),
        model_(std::move(model)),
        encoder_(*model_.tokenizer, *model_.chat_template),
        started_(SystemClock().Now()),
        sessions_(LimitsOf(settings)),
        clients_(transport, TableOptions(PeerRole::kClient), ClientEvents()),
        workers_(transport, TableOptions(PeerRole::kWorker), WorkerEvents()),
        planner_(transport) {}

  ~CoordinatorImpl() override {
    alive_->store(false);
    transport_.CancelTimer(tick_);
  }

  Status Start() {
    PC_ASSIGN_OR_RETURN(endpoints_.client,
                        clients_.Listen({.endpoint = settings_.client_endpoint,
                                         .max_message_bytes = static_cast<uint64_t>(std::max(
                                                                  settings_.max_schema_bytes,
                                                                  settings_.max_prompt_bytes)) +
                                                              kMessageOverhead}));
    PC_ASSIGN_OR_RETURN(endpoints_.worker,
                        workers_.Listen({.endpoint = settings_.worker_endpoint,
                                         .max_message_bytes = kMaxWorkerMessage}));
    Tick();
    if (settings_.store_endpoint.empty()) {
      loaded_ = true;
      return {};
    }
    meta_ = std::make_unique<MetaClient>(transport_, settings_.store_endpoint,
                                         [this] { LoadSchemas(); });
    return meta_->Start();
  }

  const CoordinatorEndpoints& endpoints() const override { return endpoints_; }

  void WhenReady(std::function<void()> ready) override {
    if (loaded_) return ready();
    when_ready_.push_back(std::move(ready));
  }

  void Shutdown() override {
    draining_ = true;
    Perform(sessions_.EndAll(Unavailable("the coordinator is shutting down")));
  }

 private:
  PeerTableOptions TableOptions(PeerRole role) const {
    PeerTableOptions options;
    options.name = "coordinator";
    options.epoch = static_cast<uint64_t>(started_.time_since_epoch().count());
    options.heartbeat = milliseconds(settings_.heartbeat_ms);
    options.lease = milliseconds(settings_.lease_ms);
    options.admit = [role](const Hello& hello) -> Status {
      if (hello.role == role) return {};
      return FailedPrecondition("this endpoint is for another kind of peer");
    };
    return options;
  }

  PeerEvents ClientEvents() {
    return {.on_down = [this](const PeerInfo& peer,
                              const Status& /*why*/) { Perform(sessions_.ClientGone(peer.id)); },
            .on_message =
                [this](const PeerInfo& peer, Envelope envelope, const Frame& /*payload*/) {
                  FromClient(peer.id, std::move(envelope));
                }};
  }

  PeerEvents WorkerEvents() {
    return {.on_down =
                [this](const PeerInfo& peer, const Status& why) {
                  Log(LogLevel::kWarning, "worker lost",
                      {{"worker", peer.hello.name}, {"reason", why.message()}});
                  Perform(sessions_.WorkerGone(peer.id, Now()));
                },
            .on_message = [this](const PeerInfo& peer, const Envelope& envelope,
                                 const Frame& /*payload*/) { FromWorker(peer, envelope); }};
  }

  static SteadyTime Now() { return SystemClock().Now(); }

  void Tick() {
    Perform(sessions_.Tick(Now()));
    tick_ = transport_.After(kTick, [this] { Tick(); });
  }

  // ---- actions ----

  void Perform(Actions actions) {
    for (Action& action : actions) {
      if (auto* plan = std::get_if<PlanAction>(&action)) {
        StartPlanning(plan->ticket, std::move(plan->submit));
        continue;
      }
      SendAction& send = std::get<SendAction>(action);
      PeerTable& table = send.side == Side::kClient ? clients_ : workers_;
      const Status status = table.Send(send.peer, send.envelope);
      // A peer that cannot be sent to is gone or hopelessly behind: its on_down does the rest.
      if (!status.ok()) table.Drop(send.peer, status);
    }
  }

  void Answer(PeerId client, const RequestId& id, Message body) {
    const Status status = clients_.Send(client, {.request_id = id, .body = std::move(body)});
    if (!status.ok()) clients_.Drop(client, status);
  }

  // Runs `work` on the planner and `done` here unless the coordinator has gone meanwhile.
  Status OnPlanner(std::function<void()> work, std::function<void()> done, uint64_t bytes) {
    return planner_.Submit(
        std::move(work),
        [alive = alive_, done = std::move(done)] {
          if (alive->load()) done();
        },
        bytes);
  }

  // ---- clients ----

  void FromClient(PeerId client, Envelope envelope) {
    const RequestId id = envelope.request_id;
    if (std::holds_alternative<Submit>(envelope.body)) {
      if (draining_) {
        return Answer(client, id,
                      Final{Code::kUnavailable, "the coordinator is shutting down", {}});
      }
      return Perform(sessions_.SubmitReceived(client, envelope, Now()));
    }
    if (std::holds_alternative<Cancel>(envelope.body)) {
      return Perform(sessions_.CancelReceived(client, id));
    }
    if (auto* add = std::get_if<SchemaAdd>(&envelope.body)) {
      return AddSchema(client, id, std::move(*add));
    }
    if (const auto* list = std::get_if<SchemaList>(&envelope.body)) {
      auto schemas = registry_.List(list->name);
      if (schemas.ok()) return Answer(client, id, SchemaReply{*std::move(schemas)});
      return Answer(client, id, ReplyOf(schemas.status()));
    }
    if (const auto* remove = std::get_if<SchemaRemove>(&envelope.body)) {
      return RemoveSchemas(client, id, remove->name);
    }
    if (std::holds_alternative<StatusQuery>(envelope.body)) {
      return Answer(client, id, MakeStatus());
    }
    ++unexpected_;
    Answer(client, id, Reply{Code::kFailedPrecondition, "a client does not send this message"});
  }

  // Two visits to the planner: parsing tells which schema is meant, which is looked up here, where
  // the registry lives; then the plan is built.
  void StartPlanning(const PlanTicket& ticket, Submit submit) {
    auto source = std::make_shared<const PmlSource>("prompt", std::move(submit.prompt));
    auto parsed = std::make_shared<Result<PromptDocument>>(Internal("not parsed"));
    const Status queued = OnPlanner(
        [this, source, parsed] { *parsed = ParsePrompt(*source, PromptLimits()); },
        [this, ticket, submit, source, parsed] { PlanParsed(ticket, submit, source, *parsed); },
        source->text().size() + 1);
    if (!queued.ok()) Perform(sessions_.Planned(ticket, queued, Now()));
  }

  PmlLimits PromptLimits() const {
    PmlLimits limits;
    limits.document_bytes = static_cast<uint64_t>(settings_.max_prompt_bytes);
    return limits;
  }

  void PlanParsed(const PlanTicket& ticket, const Submit& submit,
                  const std::shared_ptr<const PmlSource>& source,
                  const Result<PromptDocument>& parsed) {
    const auto fail = [&](const Status& status) {
      Perform(sessions_.Planned(ticket, status, Now()));
    };
    if (!parsed.ok()) return fail(parsed.status());
    if (!submit.model.empty() && submit.model != model_.name) {
      return fail(
          NotFound("the model '" + submit.model + "' is not served; '" + model_.name + "' is"));
    }
    auto schema = registry_.Find(parsed->schema, parsed->version);
    if (!schema.ok()) {
      return fail(loaded_ ? schema.status()
                          : Unavailable("schemas are not loaded yet: the cachestore is not "
                                        "reachable; try again"));
    }
    struct Job {
      PromptDocument prompt;
      SchemaPtr schema;
      PlanOptions options;
      Result<PlannedPrompt> planned = Internal("not planned");
    };
    auto job = std::make_shared<Job>();
    job->prompt = *parsed;
    job->schema = *schema;
    job->options = {.reuse = submit.reuse,
                    .repair = submit.repair,
                    .max_new_tokens = submit.options.max_new_tokens,
                    .context_length = model_.context_length};
    const Status queued = OnPlanner(
        [this, job, source] {
          job->planned = PlanOne(*job->schema, job->prompt, *source, job->options);
        },
        [this, ticket, job] {
          if (job->planned.ok()) job->planned->keep_alive = job->schema;
          Perform(sessions_.Planned(ticket, std::move(job->planned), Now()));
        },
        source->text().size() + sizeof(Job));
    if (!queued.ok()) fail(queued);
  }

  Result<PlannedPrompt> PlanOne(const RegisteredSchema& schema, const PromptDocument& prompt,
                                const PmlSource& source, const PlanOptions& options) const {
    PlannedPrompt planned{.schema = schema.name, .version = schema.version};
    PC_ASSIGN_OR_RETURN(planned.plan, BuildPlan(schema.layout, encoder_, source, prompt, options));
    return planned;
  }

  // ---- schemas ----

  CompileOptions CompileOptionsAt(uint64_t unix_ms) const {
    return {.context_length = model_.context_length,
            .max_bytes = static_cast<uint64_t>(settings_.max_schema_bytes),
            .registered_unix_ms = unix_ms};
  }

  // Compiles on the planner; `done` gets the outcome here.
  void Compile(SchemaAdd add, uint64_t unix_ms, std::function<void(Result<SchemaPtr>)> done) {
    const uint64_t bytes = add.document.size() + 1;
    auto outcome = std::make_shared<Result<SchemaPtr>>(Internal("not compiled"));
    auto shared = std::make_shared<SchemaAdd>(std::move(add));
    const Status queued = OnPlanner(
        [this, shared, unix_ms, outcome] {
          *outcome = CompileSchema(*shared, encoder_, CompileOptionsAt(unix_ms));
        },
        [outcome, done] { done(std::move(*outcome)); }, bytes);
    if (!queued.ok()) done(queued);
  }

  void AddSchema(PeerId client, const RequestId& id, SchemaAdd add) {
    if (meta_ && !meta_->up()) {
      return Answer(
          client, id,
          Reply{Code::kUnavailable, "schemas cannot be registered while the cachestore at " +
                                        settings_.store_endpoint +
                                        " is not reachable; start it and try "
                                        "again"});
    }
    Compile(std::move(add), SystemClock().UnixMillis(),
            [this, client, id](Result<SchemaPtr> compiled) {
              if (!compiled.ok()) return Answer(client, id, ReplyOf(compiled.status()));
              Persist(client, id, *compiled);
            });
  }

  void Persist(PeerId client, const RequestId& id, const SchemaPtr& schema) {
    const auto commit = [this, client, id, schema] {
      registry_.Insert(schema);
      Log(LogLevel::kInfo, "schema registered",
          {{"schema", schema->name},
           {"version", schema->version},
           {"tokens", schema->layout.length},
           {"units", schema->layout.units.size()}});
      Answer(client, id, SchemaReply{{schema->Info()}});
    };
    if (!meta_) return commit();
    meta_->Set(SchemaKey(*schema), SchemaRecord(*schema),
               [this, client, id, commit](const Result<std::vector<MetaRecord>>& written) {
                 if (!written.ok()) return Answer(client, id, ReplyOf(written.status()));
                 commit();
               });
  }

  void RemoveSchemas(PeerId client, const RequestId& id, const std::string& name) {
    auto matching = registry_.Matching(name);
    if (!matching.ok()) return Answer(client, id, ReplyOf(matching.status()));
    RemoveNext(client, id, std::make_shared<std::vector<SchemaPtr>>(*std::move(matching)));
  }

  // One after the other; a failure leaves the rest registered and says so.
  void RemoveNext(PeerId client, const RequestId& id,
                  const std::shared_ptr<std::vector<SchemaPtr>>& left) {
    if (left->empty()) return Answer(client, id, Reply{});
    const SchemaPtr schema = left->back();
    left->pop_back();
    const auto next = [this, client, id, left, schema] {
      registry_.Remove(*schema);
      RemoveNext(client, id, left);
    };
    if (!meta_) return next();
    meta_->Remove(SchemaKey(*schema),
                  [this, client, id, next](const Result<std::vector<MetaRecord>>& removed) {
                    if (!removed.ok()) return Answer(client, id, ReplyOf(removed.status()));
                    next();
                  });
  }

  void LoadSchemas() {
    if (loaded_) return;
    meta_->List("schema/", [this](Result<std::vector<MetaRecord>> records) {
      if (!records.ok()) {
        Log(LogLevel::kWarning, "schemas not loaded", {{"reason", records.status().message()}});
        return;  // again when the link comes back
      }
      LoadNext(std::make_shared<std::vector<MetaRecord>>(*std::move(records)));
    });
  }

  void LoadNext(const std::shared_ptr<std::vector<MetaRecord>>& left) {
    if (left->empty()) {
      loaded_ = true;
      Log(LogLevel::kInfo, "schemas loaded", {{"names", registry_.size()}});
      for (auto& ready : std::exchange(when_ready_, {})) ready();
      return;
    }
    const MetaRecord record = std::move(left->back());
    left->pop_back();
    auto stored = ParseSchemaRecord(record.value);
    if (!stored.ok()) {
      Log(LogLevel::kError, "schema record skipped",
          {{"key", record.key}, {"reason", stored.status().message()}});
      return LoadNext(left);
    }
    Compile(std::move(stored->add), stored->registered_unix_ms,
            [this, key = record.key, left](Result<SchemaPtr> compiled) {
              if (compiled.ok()) {
                registry_.Insert(*std::move(compiled));
              } else {
                Log(LogLevel::kError, "schema record skipped",
                    {{"key", key}, {"reason", compiled.status().message()}});
              }
              LoadNext(left);
            });
  }

  // ---- workers ----

  void FromWorker(const PeerInfo& peer, const Envelope& envelope) {
    const RequestId& id = envelope.request_id;
    if (const auto* ready = std::get_if<WorkerReady>(&envelope.body)) {
      return WorkerIsReady(peer, *ready);
    }
    if (const auto* heartbeat = std::get_if<Heartbeat>(&envelope.body)) {
      return sessions_.HeartbeatReceived(peer.id, *heartbeat);
    }
    if (const auto* residency = std::get_if<Residency>(&envelope.body)) {
      return Perform(sessions_.ResidencyReceived(peer.id, *residency));
    }
    if (std::holds_alternative<Partial>(envelope.body)) {
      return Perform(sessions_.PartialReceived(peer.id, envelope));
    }
    if (std::holds_alternative<Final>(envelope.body)) {
      return Perform(sessions_.FinalReceived(peer.id, envelope));
    }
    if (const auto* query = std::get_if<RecipeQuery>(&envelope.body)) {
      return AnswerRecipes(peer.id, id, *query);
    }
    ++unexpected_;
  }

  void WorkerIsReady(const PeerInfo& peer, const WorkerReady& ready) {
    if (ready.identity.tokenizer != model_.tokenizer->digest().ToHex()) {
      return workers_.Drop(
          peer.id, FailedPrecondition("the worker's tokenizer is not the coordinator's: both "
                                      "must be started with the same model file"));
    }
    Log(LogLevel::kInfo, "worker ready",
        {{"worker", peer.hello.name}, {"device", ready.device}, {"dtype", ready.identity.dtype}});
    Perform(sessions_.WorkerIsReady(peer.id, peer.hello.name, ready, Now()));
  }

  void AnswerRecipes(PeerId worker, const RequestId& id, const RecipeQuery& query) {
    RecipeReply reply;
    for (const RecipeDigest& digest : query.digests) {
      auto recipe = registry_.FindRecipe(digest);
      if (recipe) {
        reply.recipes.push_back(*std::move(recipe));
      } else {
        reply.unknown.push_back(digest);
      }
    }
    const Status status = workers_.Send(worker, {.request_id = id, .body = std::move(reply)});
    if (!status.ok()) workers_.Drop(worker, status);
  }

  StatusReply MakeStatus() const {
    const SessionCounters& counters = sessions_.counters();
    StatusReply status{
        .coordinator = endpoints_.client,
        .pid = static_cast<uint32_t>(::getpid()),
        .uptime_ms = static_cast<uint64_t>(MillisecondsBetween(started_, Now())),
        .meta_available = meta_ != nullptr && meta_->up(),
        .model = model_.name,
        .context_length = model_.context_length,
        .schemas = static_cast<uint32_t>(registry_.size()),
        .requests_active = static_cast<uint32_t>(sessions_.active()),
        .requests_accepted = counters.accepted,
        .requests_failed = counters.failed,
        .bad_frames = clients_.counters().bad_messages + clients_.counters().strangers +
                      workers_.counters().bad_messages + workers_.counters().strangers +
                      counters.unexpected + unexpected_};
    for (const auto& [peer, worker] : sessions_.workers()) {
      status.workers.push_back({.name = worker.name,
                                .pid = worker.ready.pid,
                                .model = worker.ready.model,
                                .device = worker.ready.device,
                                .identity = worker.ready.identity,
                                .live = true,
                                .active = worker.heartbeat.active,
                                .queued = worker.heartbeat.queued,
                                .slots = worker.ready.slots,
                                .units = worker.heartbeat.units,
                                .unit_bytes = worker.heartbeat.unit_bytes,
                                .unit_limit_bytes = worker.ready.unit_limit_bytes,
                                .requests = worker.heartbeat.requests,
                                .prefill_tokens_per_s = worker.heartbeat.prefill_tokens_per_s});
    }
    return status;
  }

  // Constant after construction.
  Transport& transport_;
  const CoordinatorSettings settings_;
  const ServedModel model_;
  const TextEncoder encoder_;
  const SteadyTime started_;
  const std::shared_ptr<std::atomic<bool>> alive_ = std::make_shared<std::atomic<bool>>(true);

  // Owned by the reactor thread.
  CoordinatorEndpoints endpoints_;
  SchemaRegistry registry_;
  SessionTable sessions_;
  PeerTable clients_;
  PeerTable workers_;
  std::unique_ptr<MetaClient> meta_;
  std::vector<std::function<void()>> when_ready_;
  TimerId tick_ = 0;
  uint64_t unexpected_ = 0;
  bool loaded_ = false;
  bool draining_ = false;

  // Own thread; last, so that it ends first.
  Planner planner_;
};

}  // namespace

Result<ServedModel> LoadServedModel(const std::string& path, const std::string& chat_template) {
  PC_ASSIGN_OR_RETURN(const auto file, GgufFile::Open(path));
  ServedModel model;
  PC_ASSIGN_OR_RETURN(auto tokenizer, LoadTokenizer(*file));
  model.tokenizer = std::move(tokenizer);
  PC_ASSIGN_OR_RETURN(model.chat_template, FindChatTemplate(chat_template, file.get()));
  PC_ASSIGN_OR_RETURN(const std::string architecture, file->GetString("general.architecture"));
  PC_ASSIGN_OR_RETURN(const uint64_t context, file->GetUnsigned(architecture + ".context_length"));
  if (context == 0 || context > (1 << 30)) {
    return InvalidArgument(path + ": a context of " + std::to_string(context) + " tokens");
  }
  model.context_length = static_cast<uint32_t>(context);
  const auto name = file->GetString("general.name");
  model.name = name.ok() ? *name : path.substr(path.find_last_of('/') + 1);
  return model;
}

Result<std::unique_ptr<Coordinator>> Coordinator::Create(Transport& transport,
                                                         const CoordinatorSettings& settings,
                                                         ServedModel model) {
  auto coordinator = std::make_unique<CoordinatorImpl>(transport, settings, std::move(model));
  PC_RETURN_IF_ERROR(coordinator->Start());
  return std::unique_ptr<Coordinator>(std::move(coordinator));
}

}  // namespace promptcache

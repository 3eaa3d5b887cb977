#include "worker/engine/acquirer.h"

#include <c10/util/Exception.h>

#include <algorithm>

#include "common/log.h"
#include "worker/engine/account.h"

namespace promptcache {
namespace {

constexpr uint64_t kImportBytes = 256;  // about what one takes

std::shared_ptr<const Recipe> RecipeOf(const KnownRecipePtr& known) {
  return {known, &known->recipe};
}

}  // namespace

Acquirer::Acquirer(Model& model, BlobStore* store, StoreFormat format,
                   const AcquirerOptions& options, Post post)
    : model_(model),
      store_(store),
      store_tier_(options.store_tier),
      format_(std::move(format)),
      identity_digest_(format_.identity.Digest()),
      post_(std::move(post)),
      cache_(options.unit_cache_bytes, *options.clock),
      writes_({.warn_bytes = options.put_queue_bytes / 2, .max_bytes = options.put_queue_bytes}) {
  if (store_ == nullptr) return;
  loader_.emplace(*store_, options.loader_threads);
  write_thread_ = std::jthread([this] { ServeWrites(); });
}

Acquirer::~Acquirer() {
  PushImports();
  closing_ = true;
  writes_.Close();
}

void Acquirer::ServeWrites() {
  bool store_is_gone = false;
  while (auto write = writes_.Pop()) {
    if (closing_ && store_is_gone) {  // each further write would wait for its timeout
      ++put_failures_;
      continue;
    }
    const Code code = (*write)().code();
    store_is_gone = code == Code::kUnavailable || code == Code::kDeadlineExceeded;
  }
}

void Acquirer::Acquire(const UnitOrder& order, const AcquireEvents& events) {
  const auto& [owner, recipe, domain, import, purpose] = order;
  const UnitKey key = MakeUnitKey(identity_digest_, domain, recipe->digest);
  const Lifetime& lifetime = import.lifetime;
  const bool counts = purpose == Purpose::kAnswer;
  if (auto unit = std::static_pointer_cast<const Unit>(cache_.Find(key, lifetime))) {
    if (counts) NoteImport(key, import);
    return events.on_arrival({.unit = std::move(unit), .usage = {.source = Source::kDevice}});
  }
  const auto [found, is_new] = pending_.try_emplace(key);
  Pending& pending = found->second;
  pending.waiting.push_back({owner, SystemClock().Now(), events});
  pending.lifetime = is_new ? lifetime : Longer(pending.lifetime, lifetime);
  AddImport(pending.imports.all, import);
  if (counts) AddImport(pending.imports.uses, import);
  if (pending.loading) return events.on_loading(pending.loading);
  if (!is_new) return;
  pending.known = recipe;
  pending.domain = domain;
  const UnitCost cost = CostOf(recipe->recipe, domain);
  pending.seconds = choice_.SecondsOf(cost);
  if (store_ != nullptr && choice_.Choose(cost) == Acquisition::kLoad) {
    return StartLoad(key, pending);
  }
  pending.miss_reason = store_ == nullptr ? "no store" : "cheaper to encode";
  to_encode_.push_back(key);
}

UnitCost Acquirer::CostOf(const Recipe& recipe, uint64_t domain) const {
  return {.bytes = recipe.rows() * model_.kv_bytes_per_token(),
          .tokens = TokensToEncode(recipe, contexts_, domain)};
}

double Acquirer::SecondsLeft() const {
  double seconds = 0;
  for (const auto& [key, pending] : pending_) seconds += pending.seconds;
  return seconds;
}

double Acquirer::SecondsToAcquire(const KnownRecipe& known, uint64_t domain) const {
  const UnitKey key = MakeUnitKey(identity_digest_, domain, known.digest);
  if (cache_.Contains(key) || pending_.contains(key)) return 0;
  return choice_.SecondsOf(CostOf(known.recipe, domain));
}

RemovedUnits Acquirer::Drop(const std::vector<UnitKey>& keys) {
  contexts_.Clear();
  RemovedUnits removed = cache_.Remove(keys);
  for (const UnitKey& key : keys) {
    imports_.Remove(key);
    const auto pending = pending_.find(key);
    if (pending != pending_.end()) pending->second.dropped = true;
    const auto [put, end] = puts_.equal_range(key);
    for (auto it = put; it != end; ++it) *it->second = true;
    const bool under_way = pending != pending_.end() || put != end;
    const bool named = std::ranges::find(removed.held, key) != removed.held.end();
    if (under_way && !named) removed.held.push_back(key);
  }
  return removed;
}

void Acquirer::Abandon(const RequestId& owner) {
  for (auto& [key, pending] : pending_) {
    std::erase_if(pending.waiting, [&](const Waiter& waiter) { return waiter.owner == owner; });
  }
}

void Acquirer::StartLoad(const UnitKey& key, const Pending& pending) {
  UnitExpectation expected{.key = key,
                           .recipe = RecipeOf(pending.known),
                           .digest = pending.known->digest,
                           .identity = &format_.identity,
                           .shape = model_.shape(),
                           .options = model_.kv_options()};
  loader_->Load(
      std::move(expected),
      {.on_start = [this](UnitPtr unit) { post_([this, unit] { LoadStarted(unit); }); },
       .on_end = [this,
                  key](const LoadEnd& end) { post_([this, key, end] { LoadDone(key, end); }); }});
}

void Acquirer::Keep(const UnitPtr& unit) {
  const auto found = pending_.find(unit->key);
  if (found == pending_.end() || found->second.dropped) return;
  cache_.Insert(unit, found->second.lifetime, found->second.domain);
}

void Acquirer::LoadStarted(const UnitPtr& unit) {
  const auto found = pending_.find(unit->key);
  if (found == pending_.end()) return;
  found->second.loading = unit;
  // A copy: who is told may end its request, and with it its wait.
  for (const Waiter& waiter : std::vector(found->second.waiting)) waiter.events.on_loading(unit);
}

void Acquirer::LoadDone(const UnitKey& key, const LoadEnd& end) {
  if (!end.unit.ok()) return LoadFailed(key, end.unit.status(), end.seconds);
  const UnitPtr& unit = *end.unit;
  choice_.Loaded(unit->bytes, end.seconds);
  Keep(unit);
  const auto found = pending_.find(key);
  if (found == pending_.end()) return;
  if (!found->second.dropped) {
    for (const Import& import : found->second.imports.uses) NoteImport(key, import);
  }
  Deliver(key, {.unit = unit, .usage = {.source = store_tier_}}, end.at);
}

void Acquirer::LoadFailed(const UnitKey& key, const Status& status, double seconds) {
  const auto found = pending_.find(key);
  if (found == pending_.end()) return;
  Pending& pending = found->second;
  pending.loading = nullptr;
  pending.miss_reason = MissReasonOf(status);
  if (status.code() == Code::kUnavailable || status.code() == Code::kDeadlineExceeded) {
    choice_.Loaded(CostOf(pending.known->recipe, pending.domain).bytes,
                   seconds);  // time lost on this store
  }
  if (status.code() == Code::kDataLoss) {
    ++corruptions_;
    Log(LogLevel::kWarning, "stored unit is damaged; encoding it again",
        {{"key", key.ToHex()}, {"reason", status.message()}});
  }
  to_encode_.push_back(key);
}

bool Acquirer::EncodeStep() {
  if (!wants_step()) return false;
  const Result<UnitPtr> unit = RunStep();
  if (!unit.ok()) {
    encoder_.reset();
    contexts_.Clear();
    Deliver(encoding_, {.status = unit.status()}, SystemClock().Now());
  } else if (*unit != nullptr) {
    const uint32_t tokens = std::exchange(encoder_, nullptr)->computed_tokens();
    choice_.Encoded(tokens, (*unit)->encode_seconds);
    Keep(*unit);
    Deliver(encoding_, {.unit = *unit, .encoded_tokens = tokens}, SystemClock().Now());
  }
  return true;
}

Result<UnitPtr> Acquirer::RunStep() {
  try {
    if (!encoder_) StartEncode();
    if (!encoder_) return UnitPtr();
    PC_ASSIGN_OR_RETURN(const bool complete, encoder_->Step());
    return complete ? Finish() : UnitPtr();
  } catch (const c10::Error& error) {
    return ResourceExhausted(std::string("no memory for a unit: ") +
                             error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("no memory for a unit");
  }
}

void Acquirer::StartEncode() {
  while (!to_encode_.empty() && !encoder_) {
    encoding_ = to_encode_.front();
    to_encode_.pop_front();
    const auto found = pending_.find(encoding_);
    if (found == pending_.end()) continue;
    if (found->second.waiting.empty()) {
      pending_.erase(found);
      continue;
    }
    encoder_ = std::make_unique<UnitEncoder>(model_, contexts_, encoding_,
                                             RecipeOf(found->second.known), found->second.domain);
  }
}

Result<UnitPtr> Acquirer::Finish() {
  const UnitPtr computed = encoder_->Take();
  PC_ASSIGN_OR_RETURN(UnitPtr unit, AsStored(computed, format_.identity.kv_layout));
  Put(computed);
  return unit;
}

void Acquirer::Put(const UnitPtr& unit) {
  const auto found = pending_.find(unit->key);
  if (store_ == nullptr || found == pending_.end() || found->second.dropped) return;
  auto dropped = std::make_shared<std::atomic<bool>>(false);
  const auto put = [this, unit, imports = found->second.imports, dropped] {
    Status status = *dropped ? Status() : WriteUnit(*unit, imports, dropped);
    post_([this, dropped] {
      std::erase_if(puts_, [&](const auto& one) { return one.second == dropped; });
    });
    return status;
  };
  if (Write(put, unit->bytes, "a unit")) puts_.emplace(unit->key, std::move(dropped));
}

Status Acquirer::WriteUnit(const Unit& unit, const Imports& imports, const PutDropped& dropped) {
  Status status = StoreUnit(*store_, unit, format_, imports.all).status();
  if (status.code() == Code::kBusy) {  // another worker stores it, for its own imports
    post_([this, key = unit.key, uses = imports.uses, dropped] {
      if (*dropped) return;
      for (const Import& import : uses) NoteImport(key, import);
    });
  } else if (!status.ok()) {
    ++put_failures_;
    Log(LogLevel::kWarning, "unit not stored",
        {{"recipe", unit.digest.ToHex()}, {"reason", status.message()}});
  }
  return status;
}

void Acquirer::NoteImport(const UnitKey& key, const Import& import) {
  if (store_ != nullptr) imports_.Add(key, import, SystemClock().Now());
}

void Acquirer::TellImports() {
  if (SystemClock().Now() >= imports_.due()) PushImports();
}

void Acquirer::PushImports() {
  if (const uint64_t left_out = imports_.TakeLeftOut(); left_out > 0) {
    Log(LogLevel::kWarning, "more imports in a second than can be told", {{"left_out", left_out}});
  }
  auto imports = std::make_shared<std::vector<UnitImport>>(imports_.Take());
  if (imports->empty()) return;
  const uint64_t bytes = imports->size() * kImportBytes;
  (void)Write(
      [this, imports] {
        Status status = store_->RecordImports(*imports);
        if (!status.ok()) {
          Log(LogLevel::kWarning, "imports not recorded",
              {{"imports", imports->size()}, {"reason", status.message()}});
        }
        return status;
      },
      bytes, "imports");
}

bool Acquirer::Write(StoreWrite write, uint64_t bytes, const char* what) {
  if (writes_.TryPush(std::move(write), bytes).ok()) return true;
  ++put_failures_;
  Log(LogLevel::kWarning, "too much waits to be written to the store", {{"left_out", what}});
  return false;
}

void Acquirer::Deliver(const UnitKey& key, UnitArrival arrival, SteadyTime at) {
  auto entry = pending_.extract(key);
  if (entry.empty()) return;
  const Pending& pending = entry.mapped();
  if (arrival.usage.source == Source::kEncoded) arrival.usage.miss_reason = pending.miss_reason;
  for (const Waiter& waiter : pending.waiting) {
    // Who asked when the last layer was there already has not waited.
    arrival.usage.milliseconds = std::max(0.0, MillisecondsBetween(waiter.since, at));
    waiter.events.on_arrival(arrival);
    arrival.encoded_tokens = 0;
  }
}

}  // namespace promptcache

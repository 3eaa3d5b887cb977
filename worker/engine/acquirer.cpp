#include "worker/engine/acquirer.h"

#include <c10/util/Exception.h>

namespace promptcache {
namespace {

std::shared_ptr<const Recipe> RecipeOf(const KnownRecipePtr& known) {
  return {known, &known->recipe};
}

}  // namespace

Acquirer::Acquirer(Model& model, BlobStore* store, StoreFormat format,
                   const AcquirerOptions& options, Inbox& inbox)
    : model_(model),
      store_(store),
      store_tier_(options.store_tier),
      format_(std::move(format)),
      identity_digest_(format_.identity.Digest()),
      inbox_(inbox),
      cache_(options.unit_cache_bytes, *options.clock),
      writer_(store, options.put_queue_bytes, inbox),
      pending_(cache_, writer_) {
  if (store_ != nullptr) loader_.emplace(*store_, options.loader_threads);
}

void Acquirer::Acquire(const UnitOrder& order, const AcquireEvents& events) {
  const Recipe& recipe = order.recipe->recipe;
  const UnitKey key = MakeUnitKey(identity_digest_, order.domain, order.recipe->digest);
  PendingUnit* const unit = pending_.Acquire(key, order, events);
  if (unit == nullptr) return;
  const UnitCost cost = CostOf(recipe, order.domain);
  unit->seconds = choice_.SecondsOf(cost);
  if (store_ == nullptr) return pending_.Encode(*unit, "no store");
  if (choice_.Choose(cost) == Acquisition::kLoad) return StartLoad(*unit);
  pending_.Encode(*unit, "cheaper to encode");
}

UnitCost Acquirer::CostOf(const Recipe& recipe, uint64_t domain) const {
  return {.bytes = recipe.rows() * model_.kv_bytes_per_token(),
          .tokens = TokensToEncode(recipe, contexts_, domain)};
}

double Acquirer::SecondsToAcquire(const KnownRecipe& known, uint64_t domain) const {
  const UnitKey key = MakeUnitKey(identity_digest_, domain, known.digest);
  if (cache_.Contains(key) || pending_.Find(key) != nullptr) return 0;
  return choice_.SecondsOf(CostOf(known.recipe, domain));
}

RemovedUnits Acquirer::Drop(const std::vector<UnitKey>& keys) {
  contexts_.Clear();
  return pending_.Drop(keys);
}

void Acquirer::StartLoad(const PendingUnit& unit) {
  UnitExpectation expected{.key = unit.key,
                           .recipe = RecipeOf(unit.known),
                           .digest = unit.known->digest,
                           .identity = &format_.identity,
                           .shape = model_.shape(),
                           .options = model_.kv_options()};
  loader_->Load(std::move(expected),
                {.on_start =
                     [this](const UnitPtr& loading) {
                       inbox_.Post([this, loading] { pending_.Loading(loading); });
                     },
                 .on_end =
                     [this, key = unit.key](const LoadEnd& end) {
                       inbox_.Post([this, key, end] { LoadDone(key, end); });
                     }});
}

void Acquirer::LoadDone(const UnitKey& key, const LoadEnd& end) {
  if (end.unit.ok()) {
    choice_.Loaded((*end.unit)->bytes, end.seconds);
    return pending_.Loaded(*end.unit, store_tier_, end.at);
  }
  const Code code = end.unit.status().code();
  const PendingUnit* const unit = pending_.Find(key);
  if (unit != nullptr && (code == Code::kUnavailable || code == Code::kDeadlineExceeded)) {
    choice_.Loaded(CostOf(unit->known->recipe, unit->domain).bytes,
                   end.seconds);  // time lost on this store
  }
  pending_.LoadFailed(key, end.unit.status());
}

bool Acquirer::EncodeStep() {
  if (encoder_ && pending_.ForgetUnwanted(encoding_)) encoder_.reset();
  if (!wants_step()) return false;
  const Result<UnitPtr> unit = RunStep();
  if (!unit.ok()) {
    encoder_.reset();
    contexts_.Clear();
    pending_.Failed(encoding_, unit.status());
  } else if (*unit != nullptr) {
    const uint32_t tokens = std::exchange(encoder_, nullptr)->computed_tokens();
    choice_.Encoded(tokens, (*unit)->encode_seconds);
    pending_.Encoded(*unit, tokens);
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
  const PendingUnit* const unit = pending_.NextToEncode();
  if (unit == nullptr) return;
  encoding_ = unit->key;
  encoder_ = std::make_unique<UnitEncoder>(model_, contexts_, encoding_, RecipeOf(unit->known),
                                           unit->domain);
}

Result<UnitPtr> Acquirer::Finish() {
  const UnitPtr computed = encoder_->Take();
  PC_ASSIGN_OR_RETURN(UnitPtr unit, AsStored(computed, format_.identity.kv_layout));
  pending_.Store(*computed, [this, computed](const std::vector<Import>& imports) {
    return StoreUnit(*store_, *computed, format_, imports).status();
  });
  return unit;
}

}  // namespace promptcache

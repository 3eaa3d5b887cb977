#include "coordinator/batch/batch_table.h"

#include <algorithm>
#include <limits>

#include "common/hash.h"
#include "common/text/utf8.h"

namespace promptcache {
namespace {

using std::chrono::milliseconds;

// An attempt is higher than all of an earlier owner, and of an earlier try, whatever the session
// adds when it gives the request to another worker.
constexpr uint32_t kAttemptsPerOwner = 65'536;
constexpr uint32_t kAttemptsPerTry = 1'024;
constexpr uint64_t kOwnersOfRequest = std::numeric_limits<uint32_t>::max() / kAttemptsPerOwner;

constexpr size_t kMaxMessageBytes = 4 << 10;  // so that a result always fits a record

// Items of a batch that are in memory: those that pause or are being kept do not hold up others.
constexpr size_t kOpenForOneThatRuns = 2;

uint32_t AttemptOf(uint64_t fence, uint32_t tries) {
  return static_cast<uint32_t>(fence % kOwnersOfRequest) * kAttemptsPerOwner +
         tries * kAttemptsPerTry;
}

uint64_t BytesOf(const std::vector<BatchSample>& samples) {
  uint64_t bytes = 0;
  for (const BatchSample& sample : samples) {
    bytes += sample.text.size() + sample.tokens.size() * sizeof(TokenId);
  }
  return bytes;
}

void Append(const Partial& partial, std::vector<BatchSample>& samples) {
  if (partial.sample >= samples.size()) return;
  BatchSample& sample = samples[partial.sample];
  sample.tokens.insert(sample.tokens.end(), partial.tokens.begin(), partial.tokens.end());
  sample.text += partial.text;
}

}  // namespace

RequestId BatchItemRequest(const OwnedBatch& batch, uint32_t item) {
  Blake2b hash;
  hash.AddString("promptcache batch item").AddBytes(batch.ref.id.bytes);
  for (const uint64_t number : {batch.head, batch.ref.fence / kOwnersOfRequest, uint64_t{item}}) {
    hash.AddString(std::to_string(number));
  }
  const Digest256 digest = hash.Finish();
  RequestId id;
  std::copy_n(digest.bytes.begin(), id.bytes.size(), id.bytes.begin());
  return id;
}

// ---- events ----

BatchActions BatchTable::Take(OwnedBatch batch, SteadyTime now) {
  BatchActions actions;
  const RequestId id = batch.ref.id;
  if (batch.info.ended == batch.info.items) actions.emplace_back(EndBatch{batch.ref});
  batches_.emplace(id, Batch{.number = ++last_number_, .owned = std::move(batch)});
  Run(now, actions);
  return actions;
}

BatchActions BatchTable::Received(const Envelope& envelope, SteadyTime now) {
  BatchActions actions;
  const auto found = requests_.find(envelope.request_id);
  if (found == requests_.end()) return actions;
  const auto [id, number] = found->second;
  Batch& batch = batches_.at(id);
  if (const auto* partial = std::get_if<Partial>(&envelope.body)) {
    Append(*partial, batch.open.at(number).samples);
  } else if (const auto* final = std::get_if<Final>(&envelope.body)) {
    requests_.erase(found);
    Ended(batch, number, *final, now, actions);
    Run(now, actions);
  }
  return actions;
}

BatchActions BatchTable::Kept(const BatchRef& ref, uint32_t item, SteadyTime now) {
  BatchActions actions;
  Batch* const batch = Owned(ref);
  if (batch == nullptr) return actions;
  const auto kept = batch->open.extract(item);
  if (kept.empty()) return actions;
  CountEnd(kept.mapped().code, ended_);
  Release(*batch, HeldBytes(kept.mapped().item));
  batch->owned.ended[item] = true;
  BatchInfo& info = batch->owned.info;
  if (++info.ended == info.items) actions.emplace_back(EndBatch{ref});
  Run(now, actions);
  return actions;
}

BatchActions BatchTable::Forget(const RequestId& batch, SteadyTime now) {
  BatchActions actions;
  const auto found = batches_.find(batch);
  if (found == batches_.end()) return actions;
  for (const auto& [number, item] : found->second.open) {
    if (item.stage != Stage::kRunning) continue;
    const RequestId request = BatchItemRequest(found->second.owned, number);
    requests_.erase(request);
    --running_;
    actions.emplace_back(CancelItem{found->second.owned.info.tenant, request});
  }
  if (found->second.loading) --loading_;
  Release(found->second, found->second.held_bytes);
  batches_.erase(found);
  Run(now, actions);
  return actions;
}

BatchActions BatchTable::Tick(SteadyTime now) {
  BatchActions actions;
  Run(now, actions);
  return actions;
}

// ---- questions ----

const BatchInfo* BatchTable::Find(const RequestId& batch) const {
  const auto found = batches_.find(batch);
  return found == batches_.end() ? nullptr : &found->second.owned.info;
}

bool BatchTable::Owns(const BatchRef& ref) const {
  const auto found = batches_.find(ref.id);
  return found != batches_.end() && found->second.owned.ref == ref;
}

std::vector<BatchRef> BatchTable::refs() const {
  std::vector<BatchRef> all;
  for (const auto& [id, batch] : batches_) all.push_back(batch.owned.ref);
  return all;
}

std::vector<BatchInfo> BatchTable::infos() const {
  std::vector<BatchInfo> all;
  for (const auto& [id, batch] : batches_) all.push_back(batch.owned.info);
  return all;
}

BatchCounts BatchTable::counts() const {
  BatchCounts counts{.batches = batches_.size(), .running = running_, .ended = ended_};
  for (const auto& [id, batch] : batches_) {
    counts.waiting += batch.owned.info.items - batch.owned.info.ended;
  }
  counts.waiting -= running_;
  return counts;
}

// ---- what runs ----

BatchTable::Batch* BatchTable::Owned(const BatchRef& ref) {
  return Owns(ref) ? &batches_.at(ref.id) : nullptr;
}

// Of the batches that have something to run, the one of which the least runs is next.
void BatchTable::Run(SteadyTime now, BatchActions& actions) {
  while (running_ < limits_.max_running) {
    Batch* next = nullptr;
    for (auto& [id, batch] : batches_) {
      if (!CanStart(batch, now)) continue;
      if (next == nullptr || batch.Order() < next->Order()) next = &batch;
    }
    LoadBefore(next, actions);
    if (next == nullptr) return;
    StartOne(*next, now, actions);
  }
}

bool BatchTable::HasRoom(const Batch& batch) const {
  return batch.open.size() < kOpenForOneThatRuns * limits_.max_running;
}

bool BatchTable::CanStart(const Batch& batch, SteadyTime now) const {
  if (HasRoom(batch) && !batch.waiting.empty()) return true;
  return std::any_of(batch.open.begin(), batch.open.end(), [&](const auto& entry) {
    return entry.second.stage == Stage::kPausing && now >= entry.second.next_try;
  });
}

void BatchTable::StartOne(Batch& batch, SteadyTime now, BatchActions& actions) {
  const auto due = std::find_if(batch.open.begin(), batch.open.end(), [&](const auto& entry) {
    return entry.second.stage == Stage::kPausing && now >= entry.second.next_try;
  });
  if (due != batch.open.end()) return Start(batch, due->first, due->second, actions);
  auto first = batch.waiting.extract(batch.waiting.begin());
  const uint32_t number = first.key().number;
  std::optional<BatchItem>& item = first.mapped();
  Item& opened = batch.open[number];
  if (!item) {
    return Keep(batch, number,
                {.code = Code::kDataLoss, .message = "the item's record was lost or damaged"},
                actions);
  }
  opened.item = *std::move(item);
  Start(batch, number, opened, actions);
}

void BatchTable::Start(Batch& batch, uint32_t number, Item& item, BatchActions& actions) {
  const BatchRef& ref = batch.owned.ref;
  item.stage = Stage::kRunning;
  item.samples.assign(item.item.submit.options.samples, {});
  ++batch.running;
  ++running_;
  SubmitItem submit{batch.owned.info.tenant,
                    {.request_id = BatchItemRequest(batch.owned, number),
                     .attempt = AttemptOf(ref.fence, item.tries++),
                     .timeout_ms = item.item.timeout_ms}};
  requests_[submit.envelope.request_id] = {ref.id, number};
  Submit request = item.item.submit;
  // Another owner may have given it to a worker that still has it.
  if (batch.owned.had_owner) request.tried = {"the owner of the batch before"};
  submit.envelope.body = std::move(request);
  actions.emplace_back(std::move(submit));
}

void BatchTable::Ended(Batch& batch, uint32_t number, Final final, SteadyTime now,
                       BatchActions& actions) {
  Item& item = batch.open.at(number);
  --batch.running;
  --running_;
  const bool may_pass = final.code == Code::kBusy || final.code == Code::kUnavailable;
  if (!may_pass || item.tries >= limits_.max_tries) {
    return Keep(batch, number, std::move(final), actions);
  }
  const milliseconds doubled = limits_.first_pause * (1 << std::min(item.tries - 1, 20U));
  const milliseconds asked(std::min<uint64_t>(
      final.retry_after_ms, static_cast<uint64_t>(limits_.longest_pause.count())));
  item.stage = Stage::kPausing;
  item.next_try = now + std::max(asked, std::min(doubled, limits_.longest_pause));
}

void BatchTable::Keep(Batch& batch, uint32_t number, Final final, BatchActions& actions) const {
  Item& item = batch.open.at(number);
  item.stage = Stage::kKeeping;
  BatchResult result{.item = number,
                     .name = item.item.name,
                     .final = std::move(final),
                     .samples = std::move(item.samples)};
  if (BytesOf(result.samples) > limits_.max_result_bytes) {
    result.samples.clear();
    result.final.code = Code::kResourceExhausted;
    result.final.message = "the answer has more than " + std::to_string(limits_.max_result_bytes) +
                           " bytes; ask for less";
  }
  result.final.message = AbbreviateUtf8(result.final.message, kMaxMessageBytes);
  result.final.usage.units.clear();  // as many as the schema has: `promptcache explain` tells them
  item.code = result.final.code;
  if (item.code != Code::kOk) ++batch.owned.info.failed;
  actions.emplace_back(KeepResult{batch.owned.ref, std::move(result)});
}

}  // namespace promptcache

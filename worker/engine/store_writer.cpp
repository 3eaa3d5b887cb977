#include "worker/engine/store_writer.h"

#include <utility>

#include "common/log.h"

namespace promptcache {
namespace {

constexpr uint64_t kImportBytes = 256;  // about what one takes

}  // namespace

StoreWriter::StoreWriter(BlobStore* store, uint64_t queue_bytes, Inbox& inbox)
    : store_(store),
      inbox_(inbox),
      calls_({.warn_bytes = queue_bytes / 2, .max_bytes = queue_bytes}) {
  if (store_ != nullptr) thread_ = std::jthread([this] { Serve(); });
}

StoreWriter::~StoreWriter() {
  PushImports();
  closing_ = true;
  calls_.Close();
}

void StoreWriter::Serve() {
  bool store_is_gone = false;
  while (auto call = calls_.Pop()) {
    if (closing_ && store_is_gone) continue;  // each further call would wait for its timeout
    const Code code = (*call)().code();
    store_is_gone = code == Code::kUnavailable || code == Code::kDeadlineExceeded;
  }
}

bool StoreWriter::Enqueue(Call call, uint64_t bytes) {
  return store_ != nullptr && calls_.TryPush(std::move(call), bytes).ok();
}

bool StoreWriter::Write(Call call, uint64_t bytes, const char* what) {
  if (Enqueue(std::move(call), bytes)) return true;
  ++put_failures_;
  Log(LogLevel::kWarning, "too much waits to be written to the store", {{"left_out", what}});
  return false;
}

void StoreWriter::Store(const KeptUnit& unit, const UnitImports& imports, Put put) {
  if (store_ == nullptr) return;
  auto dropped = std::make_shared<std::atomic<bool>>(false);
  const auto call = [this, key = unit.key, recipe = unit.digest, imports, put = std::move(put),
                     dropped] {
    const Status status = *dropped ? Status() : put(imports.all);
    if (!status.ok() && status.code() != Code::kBusy) {
      ++put_failures_;
      Log(LogLevel::kWarning, "unit not stored",
          {{"recipe", recipe.ToHex()}, {"reason", status.message()}});
    }
    inbox_.Post([this, key, imports, dropped, code = status.code()] {
      Stored(key, imports, dropped, code);
    });
    return status;
  };
  if (Write(call, unit.bytes, "a unit")) puts_.emplace(unit.key, std::move(dropped));
}

void StoreWriter::Stored(const UnitKey& key, const UnitImports& imports, const Dropped& dropped,
                         Code code) {
  std::erase_if(puts_, [&](const auto& one) { return one.second == dropped; });
  if (code != Code::kBusy || *dropped) return;
  for (const Import& import : imports.uses) NoteImport(key, import);
}

bool StoreWriter::Drop(const UnitKey& key) {
  imports_.Remove(key);
  const auto [first, end] = puts_.equal_range(key);
  for (auto it = first; it != end; ++it) *it->second = true;
  return first != end;
}

void StoreWriter::NoteImport(const UnitKey& key, const Import& import) {
  if (store_ != nullptr) imports_.Add(key, import, SystemClock().Now());
}

void StoreWriter::TellImports() {
  if (SystemClock().Now() >= imports_.due()) PushImports();
}

void StoreWriter::PushImports() {
  if (const uint64_t left_out = imports_.TakeLeftOut(); left_out > 0) {
    Log(LogLevel::kWarning, "more imports in a second than can be told", {{"left_out", left_out}});
  }
  auto imports = std::make_shared<std::vector<UnitImport>>(imports_.Take());
  if (imports->empty()) return;
  const auto tell = [this, imports] {
    Status status = store_->RecordImports(*imports);
    if (!status.ok()) {
      Log(LogLevel::kWarning, "imports not recorded",
          {{"imports", imports->size()}, {"reason", status.message()}});
    }
    return status;
  };
  (void)Write(tell, imports->size() * kImportBytes, "imports");
}

}  // namespace promptcache

#include "tests/unit/cachestore/crash/crash_script.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "cachestore/pack/import.h"
#include "tests/unit/cachestore/crash/crash_blob.h"
#include "tests/unit/cachestore/pack_in_memory.h"
#include "tests/unit/cachestore/store_tools.h"

namespace promptcache::testing {

Import ImportOf(const std::string& schema, Lifetime lifetime) {
  return {{.schema = schema, .version = "0123456789abcdef", .module = schema + "/m"}, lifetime};
}

Status Put(BlobStore& store, uint32_t seed, const std::vector<Import>& imports) {
  const SampleBlob blob = CrashBlob(seed);
  WillAdd(seed);
  PC_RETURN_IF_ERROR(
      WriteBlob(store, {blob.key, imports}, blob.header, blob.LayerSpans()).status());
  DidAdd(seed);
  return {};
}

namespace {

Status Drop(DiskStore& store, uint32_t seed) {
  WillDrop(seed);
  PC_RETURN_IF_ERROR(store.blobs().Remove(CrashBlob(seed).key));
  DidDrop(seed);
  return {};
}

Status RunPut(DiskStore& store, FakeClock& /*clock*/, uint64_t /*seed*/) {
  PC_RETURN_IF_ERROR(Put(store.blobs(), 10, {ImportOf("a")}));
  PC_RETURN_IF_ERROR(Put(store.blobs(), 11, {ImportOf("b")}));
  const UnitImport import{CrashBlob(11).key, ImportOf("c")};
  PC_RETURN_IF_ERROR(store.blobs().RecordImports({&import, 1}));
  return store.meta().CompareAndSet("schema/c/1", 0, "text").status();
}

Status RunPutTogether(DiskStore& store, FakeClock& /*clock*/, uint64_t /*seed*/) {
  std::vector<Status> results(4);
  {
    std::vector<std::jthread> threads;
    for (uint32_t i = 0; i < results.size(); ++i) {
      threads.emplace_back([&, i] { results[i] = Put(store.blobs(), 10 + i); });
    }
  }
  for (const Status& result : results) PC_RETURN_IF_ERROR(result);
  return {};
}

Status RunEvict(DiskStore& store, FakeClock& /*clock*/, uint64_t /*seed*/) {
  for (const uint32_t seed : {0u, 1u, 2u, 3u, 5u}) WillDrop(seed);  // 4 is pinned
  PC_RETURN_IF_ERROR(Put(store.blobs(), 11));
  WillDrop(11);
  PC_RETURN_IF_ERROR(Put(store.blobs(), 13));
  const uint64_t evictions = store.blobs().Stats().value().evictions;
  return evictions > 0 ? Status() : Internal("nothing was evicted");
}

Status RunRemove(DiskStore& store, FakeClock& /*clock*/, uint64_t /*seed*/) {
  PC_RETURN_IF_ERROR(Drop(store, 5));
  for (const uint32_t seed : {0u, 1u}) WillDrop(seed);
  PC_ASSIGN_OR_RETURN(const RemovalReceipt receipt,
                      store.admin().RemoveReferences({.schema = "a"}, Erasure::kProve));
  for (const uint32_t seed : {0u, 1u}) DidDrop(seed);
  if (receipt.removed.size() != 2 || receipt.shared.size() != 1) return Internal("wrong receipt");
  return store.admin().SetPins({.keys = {CrashBlob(3).key}}, PinChange::kPin).status();
}

Status RunCollect(DiskStore& store, FakeClock& clock, uint64_t /*seed*/) {
  clock.Advance(std::chrono::hours(2));
  WillDrop(3);
  PC_ASSIGN_OR_RETURN(const GarbageReport report, store.admin().CollectGarbage());
  DidDrop(3);
  return report.expired_blobs == 1 ? Status() : Internal("nothing expired");
}

// An unsigned pack of these blobs, which are in key order.
std::vector<uint8_t> PackOf(const std::vector<SampleBlob>& blobs) {
  std::vector<uint8_t> bytes(kPackPrefixBytes);
  PackManifest manifest;
  for (const SampleBlob& blob : blobs) {
    manifest.blobs.push_back(
        {.key = blob.key,
         .body = {.bytes = blob.bytes.size(), .digest = Blake2b256(blob.bytes)},
         .states = StatesDigest(blob.header),
         .imports = {ImportOf("pack")}});
    bytes.insert(bytes.end(), blob.bytes.begin(), blob.bytes.end());
  }
  const uint64_t end = bytes.size();
  const std::string record = EncodePackManifest(manifest);
  bytes.insert(bytes.end(), record.begin(), record.end());
  const auto prefix = EncodePackPrefix(
      {.manifest_offset = end, .manifest_bytes = record.size(), .digest = PackDigest(end, record)});
  std::copy(prefix.begin(), prefix.end(), bytes.begin());
  return bytes;
}

// Of four blobs one is there.
Status RunImport(DiskStore& store, FakeClock& /*clock*/, uint64_t /*seed*/) {
  std::map<UnitKey, uint32_t> seeds;
  for (const uint32_t seed : {3u, 10u, 11u, 12u}) {
    WillAdd(seed);
    seeds[CrashBlob(seed).key] = seed;
  }
  std::vector<SampleBlob> blobs;
  for (const auto& [key, seed] : seeds) blobs.push_back(CrashBlob(seed));
  PC_ASSIGN_OR_RETURN(const PackReader pack, OpenPack(PackOf(blobs)));
  PC_ASSIGN_OR_RETURN(const ImportReport report,
                      ImportPack(pack, store.blobs(), [&](const PackBlob& blob, ImportOutcome) {
                        DidAdd(seeds.at(blob.key));
                      }));
  return report.imported == 3 && report.present == 1 ? Status() : Internal("wrong report");
}

// Puts, removals and imports at random from two threads, each with seeds of its own.
Status Load(DiskStore& store, uint32_t first, uint64_t seed) {
  std::mt19937_64 random(seed + first);
  std::set<uint32_t> there;
  for (int step = 0; step < 40; ++step) {
    const auto one = first + static_cast<uint32_t>(random() % 8);
    if (!there.contains(one)) {
      PC_RETURN_IF_ERROR(Put(store.blobs(), one, {ImportOf("load")}));
      there.insert(one);
    } else if (random() % 2 == 0) {
      PC_RETURN_IF_ERROR(Drop(store, one));
      there.erase(one);
    } else {
      const UnitImport import{CrashBlob(one).key, ImportOf("again")};
      PC_RETURN_IF_ERROR(store.blobs().RecordImports({&import, 1}));
    }
  }
  return {};
}

Status RunLoad(DiskStore& store, FakeClock& /*clock*/, uint64_t seed) {
  Status other;
  {
    const std::jthread thread([&] { other = Load(store, 120, seed); });
    PC_RETURN_IF_ERROR(Load(store, 100, seed));
  }
  return other;
}

}  // namespace

void Say(const char* what, uint32_t seed) {
  // One write, so that lines of threads do not mix and none is lost with the process.
  const std::string line = std::string(what) + " " + std::to_string(seed) + "\n";
  (void)std::fwrite(line.data(), 1, line.size(), stdout);
  std::fflush(stdout);
}

const std::vector<CrashScript>& CrashScripts() {
  static const std::vector<CrashScript> scripts = {
      {.name = "put", .run = RunPut},
      {.name = "put_together", .run = RunPutTogether},
      {.name = "evict", .quota_bytes = 4 << 20, .run = RunEvict},
      {.name = "remove", .run = RunRemove},
      {.name = "collect", .run = RunCollect},
      {.name = "import", .run = RunImport},
#ifdef PROMPTCACHE_WITH_PRECOMPUTE
      {.name = "precompute", .run = RunPrecompute},
#endif
      {.name = "load", .run = RunLoad}};
  return scripts;
}

Status PrepareCrashStore(DiskStore& store) {
  const std::vector<std::vector<Import>> imports = {{ImportOf("a")},
                                                    {ImportOf("a")},
                                                    {ImportOf("a"), ImportOf("b")},
                                                    {ImportOf("b", {.ttl_ms = 3'600'000})},
                                                    {},
                                                    {}};
  for (uint32_t seed = 0; seed < kPrepared; ++seed) {
    const SampleBlob blob = CrashBlob(seed);
    PC_RETURN_IF_ERROR(
        WriteBlob(store.blobs(), {blob.key, imports[seed]}, blob.header, blob.LayerSpans())
            .status());
  }
  return store.admin().SetPins({.keys = {CrashBlob(4).key}}, PinChange::kPin).status();
}

}  // namespace promptcache::testing

// A small pack for tests.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "cachestore/memory/memory_store.h"
#include "cachestore/pack/pack_writer.h"
#include "tests/fakes/fake_clock.h"
#include "tests/unit/cachestore/pack_in_memory.h"
#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/store_tools.h"

namespace promptcache::testing {

inline SigningKey SampleKey() { return SigningKey(Digest256{{1, 2, 3}}); }

inline std::vector<Import> SampleImports() {
  return {{.reference = {.schema = "support", .version = "0123456789abcdef", .module = "support"},
           .lifetime = {.ttl_ms = 3600000, .pinned = true}}};
}

inline PackProbe SampleProbe() {
  return {.model = "tiny",
          .identity = MakeSampleBlob().header.identity,
          .schema = {.path = "support.xml", .text = "<schema name=\"support\">Hello</schema>"},
          .sources = {{.path = "faq.txt", .text = "Yes."}},
          .max_tokens = 64,
          .prompt = "<prompt schema=\"support\">Hi</prompt>",
          .expected = {7, 1, 9}};
}

// In key order.
inline std::vector<SampleBlob> SampleBlobs(uint32_t count) {
  std::vector<SampleBlob> blobs;
  for (uint32_t seed = 1; seed <= count; ++seed) blobs.push_back(MakeSampleBlob({.seed = seed}));
  std::sort(blobs.begin(), blobs.end(),
            [](const SampleBlob& a, const SampleBlob& b) { return a.key < b.key; });
  return blobs;
}

// Writes a pack of the first sample blobs, one record and a probe. Returns what went wrong.
inline Status WriteSamplePack(const std::string& path, uint32_t blobs,
                              const std::optional<SigningKey>& key) {
  MemoryBlobStore store;
  PC_ASSIGN_OR_RETURN(const auto writer, PackWriter::Create(path));
  for (const SampleBlob& blob : SampleBlobs(blobs)) {
    PC_RETURN_IF_ERROR(PutBytes(store, blob.key, blob.bytes));
    PC_RETURN_IF_ERROR(writer->AddBlob(store, blob.key, SampleImports()));
  }
  PC_RETURN_IF_ERROR(writer->AddRecord({.key = "schema/support", .value = "a value"}));
  writer->SetProbe(SampleProbe());
  FakeClock clock;
  return writer->Finish(key, clock).status();
}

}  // namespace promptcache::testing

// What a model's files decide of the identity of units: so much can be known without loading
// weights.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/formats/checkpoint.h"
#include "common/types.h"

namespace promptcache {

// Called with bytes done and in all while the weights are hashed.
using HashProgress = std::function<void(uint64_t done, uint64_t total)>;

enum class DigestSource : uint8_t {
  kCached,   // from beside the file while its size, times and inode are those of the record
  kVerified  // hashed now; the record is renewed
};

// Hex BLAKE2b-256 of the weights and of what config.json makes of them: of a GGUF file the digest
// of its bytes, of a directory the digest of its files' names and digests. Kept in
// FILE.promptcache-digest beside each file (size, mtime, ctime, device and inode); a record that
// cannot be written is no error. kUnavailable when a file changed while it was hashed.
Result<std::string> WeightsDigest(const Checkpoint& checkpoint, DigestSource source,
                                  const HashProgress& progress = nullptr);

// The identity of units that this build computes from the model in `dtype` ("fp32", "bf16"); the
// tokenizer's digest is left to the caller. kInvalidArgument for another dtype.
Result<Identity> IdentityOfModel(const Checkpoint& checkpoint, const std::string& dtype,
                                 const HashProgress& progress = nullptr);

// Of one token of a unit, in all layers. kInvalidArgument for a dtype other than fp32 and bf16.
Result<uint64_t> KvBytesPerToken(const ModelConfig& config, const std::string& dtype);

}  // namespace promptcache

// What the store interface tells of a blob, from its header.
#pragma once

#include "cachestore/format/blob.h"
#include "cachestore/store.h"

namespace promptcache {

inline BlobInfo MakeBlobInfo(const UnitKey& key, const BlobHeader& header,
                             uint64_t committed_unix_ms) {
  return {.key = key,
          .recipe = header.recipe_digest,
          .identity = header.identity,
          .mode = header.recipe.mode,
          .bytes = header.total_bytes,
          .tokens = header.shape.tokens,
          .context_tokens = static_cast<uint32_t>(header.recipe.context.size()),
          .committed_unix_ms = committed_unix_ms,
          .encode_seconds = header.encode_seconds};
}

}  // namespace promptcache

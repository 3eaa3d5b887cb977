// The attention states of contexts that units are encoded behind, kept for the next unit behind the
// same text. Reuse never changes a bit: see ContextChunks.
#pragma once

#include <list>
#include <memory>
#include <vector>

#include "common/types.h"
#include "worker/model/model.h"

namespace promptcache {

inline constexpr int64_t kEncodeChunk = 256;

// A context with its first token at position 0. REQUIRES: !context.empty().
Tokens InOwnFrame(const Tokens& context);

// Where a context is cut into forward steps: at each gap of its positions, and after kEncodeChunk
// tokens. A function of the tokens before each cut only, so contexts that begin alike are computed
// alike, and one may continue where another ends. Ends with tokens.size().
std::vector<int64_t> ContextChunks(const Tokens& tokens);

// A context in its own frame: its first token is at position 0, so that it does not depend on how
// far away the unit is. Rows [0, tokens.size()) of `kv` are valid.
struct ContextChain {
  Tokens tokens;
  KvBuffer kv;
  uint64_t domain = 0;  // of the units it is for
};

// The most recent contexts. Those of one domain are none for another, or the time that an encode
// takes would tell of them. Not thread safe.
class ContextCache {
 public:
  explicit ContextCache(size_t chains = 4) : limit_(chains) {}

  // A chain that begins with as many of `context`'s first chunks as any chain here has; what it
  // lacks the caller computes and appends. It may hold more tokens behind `context`. `context` is
  // in its own frame. Chains stay valid until the call after the next but `chains`-1.
  std::shared_ptr<ContextChain> Prepare(const Tokens& context, const Model& model,
                                        uint64_t domain = 0);

  // Rows of `context`, in its own frame, that the chain which holds most of them holds.
  int64_t MostShared(const Tokens& context, uint64_t domain = 0) const;

  // Forgets everything; after a forward step has failed.
  void Clear() { chains_.clear(); }

  // Rows of `context` that `chain` holds already, in whole chunks.
  static int64_t SharedRows(const ContextChain& chain, const Tokens& context);

 private:
  const size_t limit_;
  std::list<std::shared_ptr<ContextChain>> chains_;  // most recently used first
};

}  // namespace promptcache

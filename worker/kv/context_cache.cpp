#include "worker/kv/context_cache.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace promptcache {

Tokens InOwnFrame(const Tokens& context) {
  Tokens framed = context;
  for (Position& position : framed.positions) position -= context.positions.front();
  return framed;
}

std::vector<int64_t> ContextChunks(const Tokens& tokens) {
  std::vector<int64_t> ends;
  int64_t begin = 0;
  const auto size = static_cast<int64_t>(tokens.size());
  for (int64_t i = 1; i <= size; ++i) {
    const bool gap = i < size && tokens.positions[i] != tokens.positions[i - 1] + 1;
    if (i == size || gap || i - begin == kEncodeChunk) {
      ends.push_back(i);
      begin = i;
    }
  }
  return ends;
}

int64_t ContextCache::SharedRows(const ContextChain& chain, const Tokens& context) {
  const size_t most = std::min(chain.tokens.size(), context.size());
  size_t same = 0;
  while (same < most && chain.tokens.ids[same] == context.ids[same] &&
         chain.tokens.positions[same] == context.positions[same]) {
    ++same;
  }
  // A cut of both: the chain's rows up to it were computed exactly as the context's would be.
  const std::vector<int64_t> ours = ContextChunks(context);
  const std::vector<int64_t> theirs = ContextChunks(chain.tokens);
  int64_t shared = 0;
  for (size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) {
    if (ours[i] != theirs[i] || ours[i] > static_cast<int64_t>(same)) break;
    shared = ours[i];
  }
  return shared;
}

int64_t ContextCache::MostShared(const Tokens& context, uint64_t domain) const {
  int64_t most = 0;
  for (const auto& chain : chains_) {
    if (chain->domain == domain) most = std::max(most, SharedRows(*chain, context));
  }
  return most;
}

std::shared_ptr<ContextChain> ContextCache::Prepare(const Tokens& context, const Model& model,
                                                    uint64_t domain) {
  auto best = chains_.end();
  int64_t rows = 0;
  for (auto it = chains_.begin(); it != chains_.end(); ++it) {
    if ((*it)->domain != domain) continue;
    const int64_t shared = SharedRows(**it, context);
    if (shared > rows) best = it, rows = shared;
  }
  if (best != chains_.end()) {
    const auto size = static_cast<int64_t>((*best)->tokens.size());
    const bool complete = rows == static_cast<int64_t>(context.size());
    if (complete || rows == size) {  // nothing to compute, or it can be continued in place
      chains_.splice(chains_.begin(), chains_, best);
      return chains_.front();
    }
  }
  auto chain = std::make_shared<ContextChain>();
  chain->domain = domain;
  chain->kv = KvBuffer(model.shape(), model.kv_options(), static_cast<int64_t>(context.size()));
  if (rows > 0) {
    chain->kv.Grow(std::span(context.positions).first(static_cast<size_t>(rows)));
    chain->kv.tensor().narrow(3, 0, rows).copy_((*best)->kv.tensor().narrow(3, 0, rows));
    for (int64_t i = 0; i < rows; ++i) {
      chain->tokens.Append(context.ids[i], context.positions[i]);
    }
  }
  chains_.push_front(chain);
  if (chains_.size() > limit_) chains_.pop_back();
  return chain;
}

}  // namespace promptcache

// What both ends of the link to a store server share. Internal to cachestore/service.
#pragma once

#include <cstdint>
#include <string>

#include "cachestore/store.h"
#include "cluster/wire/messages.h"

namespace promptcache {

// A meta value of kMaxMetaValueBytes and what goes with it.
inline constexpr uint64_t kMaxStoreMessageBytes = uint64_t{96} << 20;

inline Status StatusOf(Code code, const std::string& message) {
  return code == Code::kOk ? Status() : Status(code, message);
}

inline Reply ReplyOf(const Status& status) { return {status.code(), status.message()}; }

inline Done DoneOf(const Status& status, uint64_t bytes = 0) {
  return {.code = status.code(), .message = status.message(), .bytes = bytes};
}

// Whether a blob of this size has the bytes that are asked for.
inline Status CheckRange(const FetchBlob& fetch, uint64_t size) {
  if (fetch.offset <= size && fetch.length <= size - fetch.offset) return {};
  return InvalidArgument("bytes " + std::to_string(fetch.offset) + " and " +
                         std::to_string(fetch.length) + " more are outside the blob of " +
                         std::to_string(size) + " bytes");
}

inline BlobRecord RecordOf(const BlobInfo& info) {
  return {.key = info.key,
          .recipe = info.recipe,
          .identity = info.identity,
          .mode = info.mode,
          .bytes = info.bytes,
          .tokens = info.tokens,
          .context_tokens = info.context_tokens,
          .committed_unix_ms = info.committed_unix_ms,
          .encode_seconds = info.encode_seconds,
          .use = info.use};
}

inline BlobInfo InfoOf(const BlobRecord& record) {
  return {.key = record.key,
          .recipe = record.recipe,
          .identity = record.identity,
          .mode = record.mode,
          .bytes = record.bytes,
          .tokens = record.tokens,
          .context_tokens = record.context_tokens,
          .committed_unix_ms = record.committed_unix_ms,
          .encode_seconds = record.encode_seconds,
          .use = record.use};
}

inline MetaRecord RecordOf(MetaEntry entry) {
  return {std::move(entry.key), std::move(entry.value), entry.revision};
}

inline MetaEntry EntryOf(MetaRecord record) {
  return {std::move(record.key), std::move(record.value), record.revision};
}

}  // namespace promptcache

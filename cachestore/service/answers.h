// The requests of a store server that have one answer. Internal to cachestore/service.
#pragma once

#include <cstdint>

#include "cachestore/service/store_server.h"
#include "cluster/wire/messages.h"

namespace promptcache {

// Whether AnswerRequest, or DamageReports, can do more than refuse the message.
bool IsStoreRequest(const Message& message);

// Blocks on the disk. REQUIRES: no BlobRemove that says `corrupt`. An answer that would not fit
// into a message is kResourceExhausted. Thread safe, as the stores are.
Message AnswerRequest(const StoreParts& store, const Message& request);

// About what a store request holds in memory while it waits.
uint64_t RequestBytes(const Message& request);

}  // namespace promptcache

// Envelopes to bytes and back. Pure, thread safe.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "cluster/wire/messages.h"

namespace promptcache {

std::vector<uint8_t> EncodeEnvelope(const Envelope& envelope);

// Verifies (file identifier, version, depth, table count, vector sizes, enum ranges, digests'
// sizes) before anything is read; the bytes may lie at any alignment. kInvalidArgument naming what
// is wrong.
Result<Envelope> DecodeEnvelope(std::span<const uint8_t> bytes);

// "submit", "run", ...: for logs and metrics.
std::string_view MessageName(const Message& message);

}  // namespace promptcache

// One envelope of every message type with every field set to something other than its default.
#pragma once

#include <string>
#include <vector>

#include "cluster/wire/messages.h"

namespace promptcache::testing {

// In the order of the Message variant. The golden files hold their bytes, so values here do not
// change: tests/golden/wire/README.md.
std::vector<Envelope> SampleEnvelopes();

struct GoldenMessage {
  std::string file;
  Envelope envelope;
};
// The samples, and messages with the fields that were appended since, each in a file of its own:
// "01_hello.bin", the place in the variant, counted from 1 as on the wire, and the name;
// "11_schema_add_sources.bin", besides what was appended.
std::vector<GoldenMessage> GoldenMessages();

}  // namespace promptcache::testing

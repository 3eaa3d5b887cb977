// Samples of messages by link, as cluster/wire has them, and the values that several of them hold.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cluster/wire/messages.h"

namespace promptcache::testing {

struct LinkSamples {
  std::vector<Message> messages;  // one of each type
  // Messages with fields that came later; what is before them follows in the file name.
  std::vector<std::pair<std::string, Message>> appended = {};
};
LinkSamples PeerSamples();
LinkSamples ClientSamples();
LinkSamples OperatorSamples();
LinkSamples WorkerSamples();
LinkSamples StoreSamples();

Digest256 SampleDigest(uint8_t first);
Identity SampleIdentity();
GenerationOptions SampleOptions();
Usage SampleUsage();

}  // namespace promptcache::testing

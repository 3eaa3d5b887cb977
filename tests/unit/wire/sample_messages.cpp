#include "tests/unit/wire/sample_messages.h"

#include <algorithm>

#include "cluster/wire/codec.h"
#include "tests/unit/wire/samples/samples.h"

namespace promptcache::testing {
namespace {

std::vector<LinkSamples> AllSamples() {
  return {PeerSamples(), ClientSamples(), OperatorSamples(), WorkerSamples(), StoreSamples()};
}

Envelope Enclose(const Message& message, size_t number) {
  Envelope envelope{.attempt = 2,
                    .timeout_ms = 30'000,
                    .trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                    .body = message};
  for (size_t i = 0; i < envelope.request_id.bytes.size(); ++i) {
    envelope.request_id.bytes[i] = static_cast<uint8_t>(i * 16 + number);
  }
  return envelope;
}

std::string NumberAndName(const Message& message) {
  const size_t type = message.index() + 1;
  return (type < 10 ? "0" : "") + std::to_string(type) + "_" + std::string(MessageName(message));
}

}  // namespace

std::vector<Envelope> SampleEnvelopes() {
  std::vector<Envelope> envelopes;
  for (const LinkSamples& samples : AllSamples()) {
    for (const Message& message : samples.messages) {
      envelopes.push_back(Enclose(message, message.index() + 1));
    }
  }
  std::sort(envelopes.begin(), envelopes.end(),
            [](const Envelope& a, const Envelope& b) { return a.body.index() < b.body.index(); });
  return envelopes;
}

std::vector<GoldenMessage> GoldenMessages() {
  std::vector<GoldenMessage> all;
  for (Envelope& sample : SampleEnvelopes()) {
    const std::string file = NumberAndName(sample.body) + ".bin";
    all.push_back({file, std::move(sample)});
  }
  for (const LinkSamples& samples : AllSamples()) {
    for (const auto& [field, message] : samples.appended) {
      all.push_back({NumberAndName(message) + "_" + field + ".bin", Enclose(message, 0x80)});
    }
  }
  return all;
}

}  // namespace promptcache::testing

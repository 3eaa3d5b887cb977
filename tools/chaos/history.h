// What clients did and what they were given, in their words.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/ids.h"
#include "common/status.h"
#include "common/tokens.h"

namespace promptcache::chaos {

using std::chrono::milliseconds;

struct SampleRecord {
  std::vector<TokenId> tokens;
  std::string text;
  bool operator==(const SampleRecord&) const = default;
};
// By sample.
using Samples = std::vector<SampleRecord>;

// Times count from the beginning of the history.
struct PartRecord {
  milliseconds at{0};
  uint32_t seq = 0;
  uint32_t sample = 0;
  std::vector<TokenId> tokens;
  std::string text;
};

struct EndRecord {
  milliseconds at{0};
  Code code = Code::kOk;
  std::string message;
  bool accepted = false;  // a coordinator had taken it
  uint32_t loaded = 0;    // units that came from a store
  Samples samples;        // as the answer has them
};

struct RequestRecord {
  RequestId id;
  std::string client;
  size_t question = 0;  // by its place in Questions()
  milliseconds submitted{0};
  milliseconds deadline{0};  // from then
  bool cancelled = false;    // by its client
  std::vector<PartRecord> parts;
  std::vector<EndRecord> ends;  // one, if all is well
};

// Thread safe. Requests go by the number that Submitted gave them.
class History {
 public:
  milliseconds Now() const;

  size_t Submitted(const std::string& client, size_t question, milliseconds deadline);
  void SetId(size_t request, const RequestId& id);
  void Cancelled(size_t request);
  void Part(size_t request, PartRecord part);
  void Ended(size_t request, const RequestId& id, EndRecord end);

  // Until the request has ended or has so many parts, at most until `until`. True: it has ended.
  bool WaitFor(size_t request, size_t parts, SteadyTime until);
  std::vector<RequestRecord> records() const;
  size_t size() const;
  // Requests of which a part has come and no end.
  size_t answering() const;

 private:
  const SteadyTime begin_ = SystemClock().Now();
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<RequestRecord> records_;
};

// A JSON object a line: a request with its parts and ends.
Status WriteHistory(const std::vector<RequestRecord>& records, const std::string& path);

}  // namespace promptcache::chaos

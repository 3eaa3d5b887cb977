#include "tools/chaos/checker.h"

#include <algorithm>

namespace promptcache::chaos {
namespace {

constexpr milliseconds kLatest{1'000};  // after the deadline

bool BeginsWith(const std::vector<TokenId>& whole, const std::vector<TokenId>& beginning) {
  return beginning.size() <= whole.size() &&
         std::equal(beginning.begin(), beginning.end(), whole.begin());
}

bool BeginWith(const Samples& whole, const Samples& beginnings) {
  return std::equal(
      beginnings.begin(), beginnings.end(), whole.begin(), whole.end(),
      [](const auto& beginning, const auto& all) { return BeginsWith(all, beginning); });
}

bool IsExplained(Code code, const RequestRecord& record) {
  switch (code) {
    case Code::kOk:
    case Code::kDeadlineExceeded:
    case Code::kUnavailable:
    case Code::kBusy:
      return true;
    case Code::kCancelled:
      return record.cancelled;
    default:
      return false;
  }
}

class RequestCheck {
 public:
  RequestCheck(const RequestRecord& record, const Samples& expected,
               std::vector<Violation>& violations)
      : record_(record), expected_(expected), violations_(violations) {}

  void Run() {
    const Samples shown = CheckParts();
    if (record_.ends.empty()) return Fault("never ended");
    if (record_.ends.size() > 1) {
      Fault("ended " + std::to_string(record_.ends.size()) + " times");
    }
    CheckEnd(record_.ends.front(), shown);
  }

 private:
  Samples CheckParts() {
    Samples shown(expected_.size());
    uint32_t next = 0;
    for (const PartRecord& part : record_.parts) {
      if (part.seq != next) {
        Fault("part " + std::to_string(part.seq) + " came where " + std::to_string(next) +
              " was due");
      }
      next = part.seq + 1;
      if (part.sample >= shown.size()) {
        Fault("a part of sample " + std::to_string(part.sample) + ", which was not asked for");
        continue;
      }
      auto& tokens = shown[part.sample];
      tokens.insert(tokens.end(), part.tokens.begin(), part.tokens.end());
    }
    if (!record_.ends.empty() && !record_.parts.empty() &&
        record_.parts.back().at > record_.ends.front().at) {
      Fault("a part came after the end");
    }
    return shown;
  }

  void CheckEnd(const EndRecord& end, const Samples& shown) {
    const milliseconds latest = record_.submitted + record_.deadline + kLatest;
    if (end.at > latest) {
      Fault("ended " + std::to_string((end.at - latest).count()) + " ms too late");
    }
    if (!IsExplained(end.code, record_)) {
      Fault("ended with '" + std::string(CodeName(end.code)) +
            "', which no trouble explains: " + end.message);
    }
    if (end.samples != shown) Fault("the answer is not what was shown");
    if (!BeginWith(expected_, end.samples)) Fault("wrong tokens");
    if (end.code == Code::kOk && end.samples != expected_) Fault("OK, but not the whole answer");
  }

  void Fault(const std::string& what) { violations_.push_back({record_.id.ToHex(), what}); }

  const RequestRecord& record_;
  const Samples& expected_;
  std::vector<Violation>& violations_;
};

}  // namespace

std::vector<Violation> CheckHistory(const std::vector<RequestRecord>& records,
                                    const Expected& expected) {
  std::vector<Violation> violations;
  for (const RequestRecord& record : records) {
    RequestCheck(record, expected[record.question], violations).Run();
  }
  return violations;
}

milliseconds LongestGap(const RequestRecord& record) {
  milliseconds longest{0};
  milliseconds last = record.submitted;
  for (const PartRecord& part : record.parts) {
    longest = std::max(longest, part.at - last);
    last = part.at;
  }
  return longest;
}

}  // namespace promptcache::chaos

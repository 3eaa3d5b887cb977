#include "tools/chaos/checker.h"

#include <algorithm>

namespace promptcache::chaos {
namespace {

constexpr milliseconds kLatest{1'000};  // after the deadline

// What is left of the time is told in whole milliseconds, at every step.
constexpr milliseconds kRounding{5};

// Of `member` of each sample.
template <typename Member>
bool BeginWith(const Samples& whole, const Samples& beginnings, Member member) {
  return std::ranges::equal(beginnings, whole,
                            [&](const SampleRecord& beginning, const SampleRecord& all) {
                              const auto& begun = beginning.*member;
                              return begun.size() <= (all.*member).size() &&
                                     std::equal(begun.begin(), begun.end(), (all.*member).begin());
                            });
}

bool IsExplained(Code code, const RequestRecord& record) {
  switch (code) {
    case Code::kDeadlineExceeded:
      return record.ends.front().at + kRounding >= record.submitted + record.deadline;
    case Code::kOk:
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
      SampleRecord& sample = shown[part.sample];
      sample.tokens.insert(sample.tokens.end(), part.tokens.begin(), part.tokens.end());
      sample.text += part.text;
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
    if (!BeginWith(expected_, end.samples, &SampleRecord::tokens)) Fault("wrong tokens");
    if (!BeginWith(expected_, end.samples, &SampleRecord::text)) Fault("wrong text");
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

// Many requests under lost, doubled, late and reordered messages, links that go and cancellations,
// drawn from a seed: whatever happens, each ends once, in time, with nothing shown twice.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <random>

#include "cluster/client/request_table.h"

namespace promptcache {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint8_t kRequests = 20;
constexpr TokenId kTokens = 12;  // of each whole answer: 0, 1, 2, ...
constexpr seconds kDeadline{4};
constexpr SteadyTime kStart{hours(1)};
constexpr SteadyTime kEnd = kStart + seconds(10);

class Storm {
 public:
  explicit Storm(uint64_t seed) : random_(seed) {}

  void Run() {
    for (uint8_t n = 1; n <= kRequests; ++n) {
      After(Below(2'000), [this, n] { Submit({.bytes = {n}}); });
    }
    After(0, [this] { Connect(); });
    After(0, [this] { Tick(); });
    while (now_ < kEnd) {
      const auto event = events_.extract(events_.begin());
      now_ = event.key().first;
      event.mapped()();
    }
    EXPECT_EQ(ends_.size(), kRequests);
    EXPECT_EQ(table_.size(), 0u);
  }
  int good() const { return good_; }
  int resumed() const { return resumed_; }

 private:
  // ---- the client ----

  void Submit(const RequestId& id) {
    started_[id] = now_;
    Do(table_.Start(id, {.prompt = "p"}, {.deadline = kDeadline}, now_));
    if (Chance(10)) After(Below(1'000), [this, id] { Do(table_.Cancel(id, now_)); });
  }
  void Tick() {
    Do(table_.Tick(now_));
    After(100, [this] { Tick(); });
  }
  void Do(ClientActions actions) {
    for (ClientAction& action : actions) {
      if (auto* send = std::get_if<ClientSend>(&action)) Send(send->envelope);
      if (auto* part = std::get_if<ClientPart>(&action)) Show(*part);
      if (auto* end = std::get_if<ClientEnd>(&action)) End(end->answer);
      if (std::get_if<LeaveLink>(&action) != nullptr) Disconnect();
    }
  }
  void Show(const ClientPart& part) {
    EXPECT_FALSE(ends_.contains(part.request));
    auto& shown = shown_[part.request];
    for (const TokenId token : part.partial.tokens) {
      EXPECT_EQ(token, static_cast<TokenId>(shown.size()));
      shown.push_back(token);
    }
  }
  void End(const Answer& answer) {
    EXPECT_TRUE(ends_.insert({answer.request_id, now_}).second);
    EXPECT_LE(now_ - started_[answer.request_id], kDeadline + seconds(1));
    EXPECT_EQ(answer.tokens(), shown_[answer.request_id]);
    if (!answer.status.ok()) return;
    ++good_;
    EXPECT_EQ(answer.tokens().size(), static_cast<size_t>(kTokens));
  }

  // ---- the network ----

  void Connect() {
    Do(table_.LinkUp(++link_, Chance(50) ? "a" : "b", now_));
    After(Below(3'000), [this, link = link_] {
      if (link != link_) return;
      Do(table_.LinkDown(Unavailable("gone"), now_));
      Disconnect();
    });
  }
  // What is under way on the old link still comes.
  void Disconnect() {
    ++link_;
    After(Below(300), [this] { Connect(); });
  }
  void Send(const Envelope& envelope) {
    if (Chance(2)) return;
    if (Chance(2)) return Do(table_.SendFailed(envelope, Unavailable("nobody"), now_));
    After(Below(20), [this, envelope, link = link_] { Serve(envelope, link); });
  }
  void Answer(LinkId link, const RequestId& id, uint64_t at, Message body) {
    if (Chance(1)) return;
    const Envelope envelope{.request_id = id, .body = std::move(body)};
    for (int copies = Chance(5) ? 2 : 1; copies > 0; --copies) {
      const uint64_t late = Chance(2) ? 200 : 0;
      After(at + late, [=, this] { Do(table_.Received(link, envelope, now_)); });
    }
  }

  // ---- a coordinator, which cuts the answer into other parts each time ----

  void Serve(const Envelope& envelope, LinkId link) {
    const auto* submit = std::get_if<struct Submit>(&envelope.body);
    if (submit == nullptr) {
      return Answer(link, envelope.request_id, 5, Final{.code = Code::kCancelled});
    }
    TokenId next = 0;
    for (const auto& sample : submit->delivered.samples) {
      for (const TokenId token : sample) EXPECT_EQ(token, next++);
    }
    if (envelope.attempt > 0) ++resumed_;
    uint64_t at = 10;
    Answer(link, envelope.request_id, at, Accepted{});
    for (uint32_t seq = submit->delivered.parts; next < kTokens; ++seq) {
      Partial partial{.seq = seq};
      const auto end = std::min<TokenId>(kTokens, next + 1 + static_cast<TokenId>(Below(3)));
      while (next < end) partial.tokens.push_back(next++);
      Answer(link, envelope.request_id, at += 1 + Below(40), std::move(partial));
    }
    Answer(link, envelope.request_id, at + 1, Final{.usage = {.generated_tokens = kTokens}});
  }

  // ---- chance and time ----

  uint64_t Below(uint64_t limit) { return random_() % limit; }
  bool Chance(uint64_t percent) { return Below(100) < percent; }
  void After(uint64_t delay_ms, std::function<void()> function) {
    events_.emplace(std::pair(now_ + milliseconds(delay_ms), ++last_event_), std::move(function));
  }

  std::mt19937_64 random_;
  SteadyTime now_ = kStart;
  std::map<std::pair<SteadyTime, uint64_t>, std::function<void()>> events_;
  uint64_t last_event_ = 0;
  RequestTable table_{seconds(2)};
  LinkId link_ = 0;
  std::map<RequestId, SteadyTime> started_;
  std::map<RequestId, std::vector<TokenId>> shown_;
  std::map<RequestId, SteadyTime> ends_;
  int good_ = 0;
  int resumed_ = 0;
};

TEST(RequestStorm, EveryRequestEndsOnceInTimeAndShowsEveryTokenOnce) {
  constexpr int kSeeds = 2'000;
  int good = 0;
  int resumed = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Storm storm(seed);
    storm.Run();
    good += storm.good();
    resumed += storm.resumed();
    if (HasFailure()) break;
  }
  EXPECT_GT(good, kSeeds * kRequests / 2);
  EXPECT_GT(resumed, kSeeds * kRequests / 2);
}

}  // namespace
}  // namespace promptcache

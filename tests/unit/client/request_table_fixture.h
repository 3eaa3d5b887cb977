// A RequestTable in the hands of a test: what it wants done is kept, time passes when told.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "cluster/client/request_table.h"

namespace promptcache::testing {

inline constexpr std::chrono::seconds kReach{5};
inline constexpr std::chrono::seconds kDeadline{60};

class RequestTableTest : public ::testing::Test {
 protected:
  static RequestId Id(uint8_t n) { return {.bytes = {n}}; }

  // Does the actions: what a request was told, and what would go over the link.
  void Do(ClientActions actions) {
    for (ClientAction& action : actions) {
      if (auto* send = std::get_if<ClientSend>(&action)) sent_.push_back(send->envelope);
      if (auto* part = std::get_if<ClientPart>(&action)) shown_ += part->partial.text;
      if (auto* end = std::get_if<ClientEnd>(&action)) ended_.push_back(end->answer);
      if (auto* leave = std::get_if<LeaveLink>(&action)) left_.push_back(leave->why);
    }
  }
  void Start(uint8_t id, SubmitOptions options = {.deadline = kDeadline}, uint32_t samples = 1) {
    Do(table_.Start(Id(id), {.prompt = "p", .options = {.samples = samples}}, options, now_));
  }
  void Up(const std::string& endpoint = "a") { Do(table_.LinkUp(++link_, endpoint, now_)); }
  void Down(const std::string& why = "gone") { Do(table_.LinkDown(Unavailable(why), now_)); }
  void Receive(uint8_t id, Message body) { ReceiveOver(link_, id, std::move(body)); }
  void ReceiveOver(LinkId link, uint8_t id, Message body) {
    Do(table_.Received(link, {.request_id = Id(id), .body = std::move(body)}, now_));
  }
  void Pass(std::chrono::milliseconds time) {
    now_ += time;
    Do(table_.Tick(now_));
  }
  // What was sent last, which is taken out.
  Envelope TakeSent() {
    if (sent_.empty()) return {};
    const Envelope last = sent_.back();
    sent_.pop_back();
    return last;
  }
  Submit TakeSubmit() {
    const Envelope last = TakeSent();
    EXPECT_TRUE(std::holds_alternative<Submit>(last.body));
    return std::holds_alternative<Submit>(last.body) ? std::get<Submit>(last.body) : Submit{};
  }
  // A request that runs over link 1, to "a"; the sending of it is taken out.
  void StartOverLink(uint8_t id = 1) {
    if (link_ == 0) Up();
    Start(id);
    TakeSent();
  }
  Code EndCode() const { return ended_.size() == 1 ? ended_[0].status.code() : Code::kInternal; }

  RequestTable table_{kReach};
  SteadyTime now_{std::chrono::hours(1)};
  LinkId link_ = 0;
  std::vector<Envelope> sent_;
  std::string shown_;
  std::vector<Answer> ended_;
  std::vector<Status> left_;
};

inline Partial Part(uint32_t seq, TokenId token, uint32_t sample = 0) {
  return {.seq = seq, .tokens = {token}, .text = std::to_string(token), .sample = sample};
}

}  // namespace promptcache::testing

#include "cluster/transport/ready_set.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <set>
#include <vector>

namespace promptcache {
namespace {

class EventFd {
 public:
  EventFd() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~EventFd() { close(fd_); }
  EventFd(const EventFd&) = delete;
  EventFd& operator=(const EventFd&) = delete;

  int fd() const { return fd_; }
  void Set() const { ASSERT_EQ(eventfd_write(fd_, 1), 0); }
  void Take() const {
    eventfd_t value = 0;
    ASSERT_EQ(eventfd_read(fd_, &value), 0);
  }

 private:
  const int fd_;
};

std::multiset<uint64_t> Ready(ReadySet& set) {
  const auto tokens = set.Wait(0);
  return {tokens.begin(), tokens.end()};
}

using Tokens = std::multiset<uint64_t>;

TEST(ReadySet, TellsOfThoseThatHaveSomethingUntilItIsTaken) {
  auto set = ReadySet::Create();
  ASSERT_TRUE(set.ok());
  const EventFd first;
  const EventFd second;
  ASSERT_TRUE(set->Add(first.fd(), 7).ok());
  ASSERT_TRUE(set->Add(second.fd(), UINT64_MAX).ok());
  EXPECT_EQ(Ready(*set), Tokens{});
  second.Set();
  EXPECT_EQ(Ready(*set), Tokens{UINT64_MAX});
  EXPECT_EQ(Ready(*set), Tokens{UINT64_MAX});
  first.Set();
  EXPECT_EQ(Ready(*set), (Tokens{7, UINT64_MAX}));
  second.Take();
  EXPECT_EQ(Ready(*set), Tokens{7});
}

TEST(ReadySet, ForgetsWhatWasRemoved) {
  auto set = ReadySet::Create();
  ASSERT_TRUE(set.ok());
  const EventFd event;
  ASSERT_TRUE(set->Add(event.fd(), 1).ok());
  event.Set();
  set->Remove(event.fd());
  EXPECT_EQ(Ready(*set), Tokens{});
  set->Remove(event.fd());  // once more changes nothing
  ASSERT_TRUE(set->Add(event.fd(), 2).ok());
  EXPECT_EQ(Ready(*set), Tokens{2});
}

TEST(ReadySet, TellsTheNextTimeOfThoseThatDoNotFit) {
  constexpr size_t kMany = 300;
  auto set = ReadySet::Create();
  ASSERT_TRUE(set.ok());
  const std::vector<EventFd> events(kMany);
  std::set<uint64_t> all;
  for (size_t i = 0; i < kMany; ++i) {
    ASSERT_TRUE(set->Add(events[i].fd(), i).ok());
    events[i].Set();
    all.insert(i);
  }
  std::set<uint64_t> told;
  for (int i = 0; i < 2; ++i) {
    for (const uint64_t token : set->Wait(0)) told.insert(token);
  }
  EXPECT_EQ(told, all);
}

TEST(ReadySet, PassesOverWhatIsNoDescriptorAndRefusesOneThatIsWatchedAlready) {
  auto set = ReadySet::Create();
  ASSERT_TRUE(set.ok());
  EXPECT_TRUE(set->Add(-1, 1).ok());
  set->Remove(-1);
  const EventFd event;
  ASSERT_TRUE(set->Add(event.fd(), 1).ok());
  EXPECT_EQ(set->Add(event.fd(), 2).code(), Code::kUnavailable);
}

}  // namespace
}  // namespace promptcache

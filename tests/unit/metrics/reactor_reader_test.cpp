// A reactor in the test's hands: it does what is posted when the test says so.
#include "common/metrics/reactor_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "tests/unit/transport/zmq_test_util.h"

namespace promptcache {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using testing::Inbox;

class ReactorReaderTest : public ::testing::Test {
 protected:
  static constexpr milliseconds kAtOnce{1};
  static constexpr milliseconds kLong{600'000};

  // What was posted; waits for it.
  std::function<void()> Posted() { return *posted_.Pop(); }

  Inbox<std::function<void()>> posted_;
  int made_ = 0;
  ReactorReader reader_{[this](std::function<void()> run) { posted_.Push(std::move(run)); },
                        [this](ProcessReport& report) {
                          report.ready = Unavailable("report " + std::to_string(++made_));
                        }};
};

TEST_F(ReactorReaderTest, GivesWhatTheReactorSays) {
  std::string heard;
  std::jthread asking([&] { heard = reader_.Read(kLong)->ready.message(); });
  Posted()();
  asking.join();
  EXPECT_EQ(heard, "report 1");
}

TEST_F(ReactorReaderTest, AReactorThatHangsIsNoticed) {
  const auto read = reader_.Read(kAtOnce);
  EXPECT_EQ(read.status().code(), Code::kDeadlineExceeded);
  EXPECT_THAT(read.status().message(), HasSubstr("the reactor has done nothing for 1 ms"));
}

TEST_F(ReactorReaderTest, OneReportIsAllThatWaitsForAReactorThatHangs) {
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(reader_.Read(kAtOnce).ok());
  EXPECT_TRUE(posted_.TryPop());
  EXPECT_FALSE(posted_.TryPop());
}

TEST_F(ReactorReaderTest, AReactorThatComesBackIsAskedAnew) {
  EXPECT_FALSE(reader_.Read(kAtOnce).ok());
  Posted()();
  std::string heard;
  std::jthread asking([&] { heard = reader_.Read(kLong)->ready.message(); });
  Posted()();
  asking.join();
  EXPECT_EQ(heard, "report 2");
}

TEST_F(ReactorReaderTest, CloseEndsWaiting) {
  Code code = Code::kOk;
  std::jthread asking([&] { code = reader_.Read(kLong).status().code(); });
  const auto late = Posted();
  reader_.Close();
  asking.join();
  EXPECT_EQ(code, Code::kUnavailable);
  late();
  EXPECT_EQ(reader_.Read(kLong).status().code(), Code::kUnavailable);
}

}  // namespace
}  // namespace promptcache

// What a coordinator writes into its log, whatever the level.
#include <gmock/gmock.h>

#include "common/log.h"
#include "tests/unit/coordinator/coordinator_fixture.h"

namespace promptcache::testing {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class CoordinatorLog : public CoordinatorTest {
 protected:
  CoordinatorLog() {
    InitLog("test", LogLevel::kDebug, LogFormat::kText);
    ::testing::internal::CaptureStderr();
    Start();
    client_ = Client();
    worker_ = Worker();
    Register(*client_, "<schema name=\"logged\"><module name=\"m\">zebrafish</module></schema>");
  }
  ~CoordinatorLog() override { InitLog("test", LogLevel::kWarning, LogFormat::kText); }

  RequestId SendOne() {
    return SendPrompt(*client_, "<prompt schema=\"logged\"><m/>zebrafish</prompt>");
  }

  std::unique_ptr<TestPeer> client_;
  std::unique_ptr<TestPeer> worker_;
};

TEST_F(CoordinatorLog, HasNoTextOfSchemasPromptsAndAnswers) {
  const RequestId done = SendOne();
  worker_->Send(done, Partial{.tokens = {7}, .text = "zebrafish"});
  worker_->Send(done, Final{.usage = {.worker = "w1", .generated_tokens = 1}});
  Pass();
  EXPECT_EQ(client_->Words(), "accepted; partial 0; final ok");
  for (const char* prompt :
       {"zebrafish", "<prompt schema=\"logged\">zebrafish", "<prompt>zebrafish</prompt>",
        "<prompt schema=\"logged\"><zebrafish/></prompt>"}) {
    EXPECT_NE(Failure(*client_, prompt).code, Code::kOk) << prompt;
  }
  const RequestId failed = SendOne();
  worker_->Send(failed, Final{.code = Code::kInternal, .message = "out of memory"});
  Pass();
  EXPECT_EQ(client_->Last<Final>(failed).code, Code::kInternal);
  SendOne();
  worker_.reset();
  Pass(seconds(20));
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, AllOf(HasSubstr("schema registered"), HasSubstr("worker lost")));
  EXPECT_THAT(log, Not(HasSubstr("zebrafish")));
}

}  // namespace
}  // namespace promptcache::testing

// The example program as it is run, against coordinators that the test plays.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <future>

#include "tests/unit/client/fake_coordinator.h"

namespace promptcache::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using SubmitMessage = struct Submit;

struct Output {
  std::string text;  // of both streams
  int status = -1;
};

Output RunAsk(const std::string& arguments) {
  Output output;
  FILE* pipe = ::popen((PROMPTCACHE_ASK " " + arguments + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return output;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) {
    output.text += static_cast<char>(c);
  }
  output.status = ::pclose(pipe);
  return output;
}

TEST(AskExample, PrintsTheAnswerOfTheCoordinatorThatIsThereAndItsUsage) {
  FakeCoordinator coordinator;
  auto run = std::async(std::launch::async, [&] {
    return RunAsk("'<prompt/>' ipc:///nonexistent/a " + coordinator.endpoint());
  });
  const auto [id, submit] = coordinator.Expect<SubmitMessage>();
  EXPECT_EQ(submit.prompt, "<prompt/>");
  coordinator.Send(id, Accepted{.schema = "support", .version = "v1"});
  coordinator.Send(id, Partial{.seq = 0, .tokens = {1}, .text = "Hel"});
  coordinator.Send(id, Partial{.seq = 1, .tokens = {2}, .text = "lo"});
  coordinator.Send(id, Final{.usage = {.worker = "w", .prompt_tokens = 9, .cached_tokens = 5}});
  const Output output = run.get();
  EXPECT_EQ(output.status, 0);
  EXPECT_THAT(output.text,
              AllOf(HasSubstr("Hello\n"), HasSubstr("support@v1 on w: 5 of 9 prompt tokens")));
}

TEST(AskExample, SaysWhenABusyCoordinatorMayBeAskedAgain) {
  FakeCoordinator coordinator;
  auto run = std::async(std::launch::async,
                        [&] { return RunAsk("'<prompt/>' " + coordinator.endpoint()); });
  const RequestId id = coordinator.Expect<SubmitMessage>().first;
  coordinator.Send(id, Final{.code = Code::kBusy, .message = "full", .retry_after_ms = 250});
  const Output output = run.get();
  EXPECT_NE(output.status, 0);
  EXPECT_THAT(output.text, AllOf(HasSubstr("try again in 250 ms"), HasSubstr("full")));
}

}  // namespace
}  // namespace promptcache::testing

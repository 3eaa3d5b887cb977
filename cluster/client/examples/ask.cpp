// Asks a cluster one prompt and prints the answer while it comes.
//
//   ask [--key FILE] PROMPT ENDPOINT...
//   ask '<prompt schema="support"><refunds/>Hi</prompt>' tcp://10.0.0.5:7420 tcp://10.0.0.6:7420
//
// Any coordinator of the cluster will do; when the one that is asked goes, another one goes on.
#include <chrono>
#include <cstdio>
#include <future>
#include <string>
#include <vector>

#include "cluster/client/client.h"

namespace {

using promptcache::Answer;
using promptcache::Client;
using promptcache::Status;

constexpr std::chrono::minutes kDeadline{2};

int Fail(const Status& status) {
  std::fprintf(stderr, "ask: %s\n", status.ToString().c_str());
  return 1;
}

// The callbacks come on the client's own thread.
Answer Ask(Client& client, const std::string& prompt) {
  promptcache::Submit request;
  request.prompt = prompt;
  std::promise<Answer> ended;
  client.SubmitAsync(
      request, {.deadline = kDeadline},
      [](const promptcache::Partial& part) {
        std::fwrite(part.text.data(), 1, part.text.size(), stdout);
        std::fflush(stdout);
      },
      [&ended](Answer answer) { ended.set_value(std::move(answer)); });
  return ended.get_future().get();
}

void PrintUsage(const Answer& answer) {
  const promptcache::Usage& usage = answer.usage;
  std::fprintf(stderr,
               "%s@%s on %s: %u of %u prompt tokens cached, %u generated, first after %.1f ms, "
               "all after %.1f ms\n",
               answer.schema.c_str(), answer.version.c_str(), usage.worker.c_str(),
               usage.cached_tokens, usage.prompt_tokens, usage.generated_tokens,
               answer.client_ttft_ms, answer.client_total_ms);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  promptcache::ClientOptions options;
  options.name = "ask";
  if (arguments.size() >= 2 && arguments[0] == "--key") {
    options.key_file = arguments[1];
    arguments.erase(arguments.begin(), arguments.begin() + 2);
  }
  if (arguments.size() < 2) {
    std::fprintf(stderr, "usage: ask [--key FILE] PROMPT ENDPOINT...\n");
    return 2;
  }
  options.endpoints.assign(arguments.begin() + 1, arguments.end());

  const auto client = Client::Connect(options);
  if (!client.ok()) return Fail(client.status());
  const Answer answer = Ask(**client, arguments[0]);
  std::printf("\n");
  std::fflush(stdout);
  if (!answer.status.ok()) {
    if (answer.retry_after.count() > 0) {
      std::fprintf(stderr, "ask: try again in %lld ms\n",
                   static_cast<long long>(answer.retry_after.count()));
    }
    return Fail(answer.status);
  }
  PrintUsage(answer);
  return 0;
}

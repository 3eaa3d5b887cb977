#include "tools/chaos/load.h"

#include "tests/chaos/dice.h"

namespace promptcache::chaos {
namespace {

constexpr milliseconds kQuietDeadline{300'000};  // real engines on small machines
// After a request should have ended; what comes later is missing.
constexpr milliseconds kGrace{5'000};

}  // namespace

Result<std::unique_ptr<Client>> ConnectAs(const std::string& name,
                                          const std::vector<std::string>& endpoints,
                                          LinkStyle style) {
  return Client::Connect(
      {.endpoints = endpoints, .allow_plaintext = style == LinkStyle::kDirect, .name = name});
}

Status Load::Connect() {
  for (const Node& node : topology_.clients()) {
    PC_ASSIGN_OR_RETURN(
        std::unique_ptr<Client> client,
        ConnectAs(node.name, topology_.CoordinatorsOf(node.name), topology_.style()));
    clients_.push_back(std::move(client));
  }
  return {};
}

size_t Load::Submit(size_t client, const Asked& asked) {
  const size_t request =
      history_.Submitted(topology_.clients()[client].name, asked.question, asked.deadline);
  const RequestId id = clients_[client]->SubmitAsync(
      questions_[asked.question], {.deadline = asked.deadline},
      [this, request](const Partial& part) {
        history_.Part(
            request,
            {.seq = part.seq, .sample = part.sample, .tokens = part.tokens, .text = part.text});
      },
      [this, request](const Answer& answer) {
        EndRecord end{.code = answer.status.code(),
                      .message = answer.status.message(),
                      .accepted = !answer.version.empty()};
        for (const SampleAnswer& sample : answer.samples) {
          end.samples.push_back({sample.tokens, sample.text});
        }
        for (const UnitUsage& unit : answer.usage.units) {
          if (unit.source == Source::kDisk || unit.source == Source::kRemote) ++end.loaded;
        }
        history_.Ended(request, answer.request_id, std::move(end));
      });
  history_.SetId(request, id);
  if (asked.parts_until_cancel == 0) return request;
  const SteadyTime until = SystemClock().Now() + asked.deadline;
  if (!history_.WaitFor(request, asked.parts_until_cancel, until)) {
    history_.Cancelled(request);
    clients_[client]->Cancel(id);
  }
  return request;
}

void Load::Ask(size_t client, const Asked& asked) {
  const SteadyTime until = SystemClock().Now() + asked.deadline + kGrace;
  constexpr size_t kAll = SIZE_MAX;
  (void)history_.WaitFor(Submit(client, asked), kAll, until);
}

Result<Expected> Load::AskAll() {
  const size_t first = history_.records().size();
  {
    std::vector<std::jthread> threads;
    for (size_t client = 0; client < clients_.size(); ++client) {
      threads.emplace_back([this, client] {
        for (size_t q = client; q < questions_.size(); q += clients_.size()) {
          Ask(client, {.question = q, .deadline = kQuietDeadline});
        }
      });
    }
  }
  Expected answers(questions_.size());
  const std::vector<RequestRecord> records = history_.records();
  for (size_t i = first; i < records.size(); ++i) {
    const RequestRecord& record = records[i];
    if (record.ends.empty()) {
      return DeadlineExceeded("request " + record.id.ToHex() + " has not ended");
    }
    const EndRecord& end = record.ends.front();
    if (end.code != Code::kOk) {
      return Status(end.code, "request " + record.id.ToHex() + ": " + end.message);
    }
    answers[record.question] = end.samples;
  }
  return answers;
}

void Load::RunClient(size_t client, uint64_t seed, const std::stop_token& stop) {
  Dice dice(seed + client);
  while (!stop.stop_requested()) {
    Asked asked{.question = dice.Below(questions_.size()),
                .deadline = dice.Within(milliseconds(500), milliseconds(15'000))};
    if (dice.OneIn(10)) asked.parts_until_cancel = 1 + dice.Below(10);
    Ask(client, asked);
    std::this_thread::sleep_for(dice.Within(milliseconds(0), milliseconds(50)));
  }
}

void Load::Begin(uint64_t seed) {
  for (size_t client = 0; client < clients_.size(); ++client) {
    threads_.emplace_back([this, client, seed](const std::stop_token& stop) {
      RunClient(client, seed * 1'000, stop);
    });
  }
}

void Load::Finish() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
}

}  // namespace promptcache::chaos

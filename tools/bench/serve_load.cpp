#include "tools/bench/serve_load.h"

#include <cmath>
#include <future>
#include <thread>
#include <utility>

#include "cluster/client/client_reactor.h"
#include "cluster/transport/zmq_transport.h"
#include "common/clock.h"
#include "common/ids.h"
#include "common/rng.h"
#include "tools/bench/cpu_time.h"
#include "tools/bench/second_by_second.h"

namespace promptcache {
namespace {

constexpr std::chrono::seconds kPatience{30};
constexpr uint64_t kArrivalSeed = 7;

class ServeLoadImpl : public ServeLoad {
 public:
  explicit ServeLoadImpl(const ServeLoadOptions& options) : options_(options) {}

  ~ServeLoadImpl() override {
    if (!transport_) return;
    transport_->Stop();
    if (thread_.joinable()) thread_.join();
    clients_.clear();
  }

  Status Connect() {
    PC_ASSIGN_OR_RETURN(transport_, ZmqTransport::Create());
    struct Connecting {
      uint32_t left = 0;
      std::promise<Status> all;
    };
    auto connecting = std::make_shared<Connecting>();
    connecting->left = options_.clients;
    auto all = connecting->all.get_future();
    for (uint32_t i = 0; i < options_.clients; ++i) {
      auto client = std::make_unique<ClientReactor>(
          *transport_, SystemClock(),
          ClientOptions{.endpoints = {options_.endpoint}, .name = "bench-" + std::to_string(i)});
      PC_RETURN_IF_ERROR(client->Start([connecting](const Status& status) {
        if (!status.ok() || --connecting->left == 0) connecting->all.set_value(status);
      }));
      clients_.push_back(std::move(client));
    }
    thread_ = std::jthread([this] { transport_->Run(); });
    if (all.wait_for(kPatience) == std::future_status::ready) return all.get();
    return Unavailable("the coordinator does not answer the clients");
  }

  Status AddSchemas(const std::vector<std::string>& documents) override {
    for (const std::string& document : documents) {
      std::promise<Result<Message>> done;
      transport_->Post([this, &document, &done] {
        clients_[0]->Call(RequestId::Random(), SchemaAdd{.document = document},
                          [&done](Result<Message> reply) { done.set_value(std::move(reply)); });
      });
      PC_ASSIGN_OR_RETURN(const Message reply, done.get_future().get());
      if (const auto* refused = std::get_if<Reply>(&reply)) {
        return Status(refused->code, refused->message).WithContext("a schema of the bench");
      }
    }
    return {};
  }

  ServeResult RunClosed(const ServeLimits& limits, const ServeProgress& progress) override {
    Begin(limits, progress);
    goes_on_ = true;
    transport_->Post([this] {
      for (size_t i = 0; i < clients_.size() && started_ < limit_; ++i) {
        Submit(i, SystemClock().Now());
      }
    });
    return End();
  }

  ServeResult RunOpen(double rate, const ServeLimits& limits,
                      const ServeProgress& progress) override {
    Begin(limits, progress);
    arriving_ = true;
    SteadyTime due = start_;
    for (uint32_t i = 0; i < limits.requests && due < end_; ++i) {
      std::this_thread::sleep_until(due);
      transport_->Post([this, i, due] { Submit(i % clients_.size(), due); });
      const double gap_s = -std::log(1 - UniformAt(kArrivalSeed, 0, i)) / rate;
      due += std::chrono::duration_cast<SteadyTime::duration>(std::chrono::duration<double>(gap_s));
    }
    transport_->Post([this] {
      arriving_ = false;
      EndIfIdle();
    });
    return End();
  }

 private:
  void Begin(const ServeLimits& limits, const ServeProgress& progress) {
    result_ = {};
    progress_ = progress;
    started_ = 0;
    limit_ = limits.requests;
    goes_on_ = arriving_ = false;
    idle_ = std::promise<void>();
    cpu_before_ = CpuTimeNow();
    start_ = SystemClock().Now();
    end_ = start_ + limits.time;
    by_second_ = SecondBySecond(start_);
  }

  ServeResult End() {
    idle_.get_future().get();
    result_.seconds = MillisecondsBetween(start_, SystemClock().Now()) / 1000;
    const CpuTime cpu_after = CpuTimeNow();
    result_.p99_by_second_ms = by_second_.p99_ms();
    result_.cpu_seconds = cpu_after.process_s - cpu_before_.process_s;
    result_.stolen_share = StolenShare(cpu_before_, cpu_after);
    return std::move(result_);
  }

  // ---- on the reactor thread ----

  void EndIfIdle() {
    if (!arriving_ && running_ == 0) idle_.set_value();
  }

  void Submit(size_t client, SteadyTime due) {
    ++started_;
    ++running_;
    Send(client, due);
  }

  void Send(size_t client, SteadyTime due) {
    auto first = std::make_shared<bool>(true);
    StreamCallbacks callbacks{
        .on_partial =
            [this, due, first](const Partial& part) {
              result_.tokens += part.tokens.size();
              ++result_.parts;
              if (!std::exchange(*first, false)) return;
              result_.first_token_ms.Add(MillisecondsBetween(due, SystemClock().Now()));
            },
        .on_final = [this, client, due](const Answer& answer) { Ended(client, due, answer); }};
    clients_[client]->Submit(RequestId::Random(),
                             {.prompt = options_.prompt(next_prompt_++),
                              .options = options_.generation,
                              .reuse = options_.reuse},
                             {}, std::move(callbacks));
  }

  void Ended(size_t client, SteadyTime due, const Answer& answer) {
    Count(due, answer);
    if (progress_) progress_(result_.requests);
    if (goes_on_ && started_ < limit_ && SystemClock().Now() < end_) {
      ++started_;
      // A callback must not call its client.
      return transport_->Post([this, client] { Send(client, SystemClock().Now()); });
    }
    --running_;
    EndIfIdle();
  }

  void Count(SteadyTime due, const Answer& answer) {
    ++result_.requests;
    const SteadyTime now = SystemClock().Now();
    result_.total_ms.Add(MillisecondsBetween(due, now));
    by_second_.Add(now, MillisecondsBetween(due, now));
    result_.prompt_tokens += answer.usage.prompt_tokens;
    result_.cached_tokens += answer.usage.cached_tokens;
    for (const UnitUsage& unit : answer.usage.units) {
      ++result_.units;
      if (unit.source == Source::kDevice) ++result_.resident_units;
    }
    const bool is_whole = answer.tokens().size() == options_.generation.max_new_tokens ||
                          answer.usage.finish == FinishReason::kStop;
    if (answer.status.ok() && is_whole) return;
    if (result_.failed++ == 0) result_.first_failure = answer.status.ToString();
  }

  const ServeLoadOptions options_;
  std::unique_ptr<ZmqTransport> transport_;
  std::vector<std::unique_ptr<ClientReactor>> clients_;
  std::jthread thread_;

  // Of the reactor thread while a measurement runs.
  ServeResult result_;
  ServeProgress progress_;
  uint64_t next_prompt_ = 0;
  uint64_t started_ = 0;
  uint64_t limit_ = 0;
  uint64_t running_ = 0;
  bool goes_on_ = false;   // a client whose request has ended sends the next one
  bool arriving_ = false;  // requests are still to come by themselves
  SecondBySecond by_second_{SteadyTime::min()};
  CpuTime cpu_before_;
  SteadyTime start_;
  SteadyTime end_;
  std::promise<void> idle_;
};

}  // namespace

Result<std::unique_ptr<ServeLoad>> ServeLoad::Start(const ServeLoadOptions& options) {
  auto load = std::make_unique<ServeLoadImpl>(options);
  PC_RETURN_IF_ERROR(load->Connect());
  return std::unique_ptr<ServeLoad>(std::move(load));
}

}  // namespace promptcache

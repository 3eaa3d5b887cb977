#include "tools/chaos/history.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/process.h"

namespace promptcache::chaos {

using nlohmann::json;

milliseconds History::Now() const {
  return std::chrono::duration_cast<milliseconds>(SystemClock().Now() - begin_);
}

size_t History::Submitted(const std::string& client, size_t question, milliseconds deadline) {
  const milliseconds now = Now();
  const std::lock_guard lock(mutex_);
  records_.push_back(
      {.client = client, .question = question, .submitted = now, .deadline = deadline});
  return records_.size() - 1;
}

void History::SetId(size_t request, const RequestId& id) {
  const std::lock_guard lock(mutex_);
  records_[request].id = id;
}

void History::Cancelled(size_t request) {
  const std::lock_guard lock(mutex_);
  records_[request].cancelled = true;
}

void History::Part(size_t request, PartRecord part) {
  part.at = Now();
  {
    const std::lock_guard lock(mutex_);
    records_[request].parts.push_back(std::move(part));
  }
  changed_.notify_all();
}

void History::Ended(size_t request, const RequestId& id, EndRecord end) {
  end.at = Now();
  {
    const std::lock_guard lock(mutex_);
    records_[request].id = id;
    records_[request].ends.push_back(std::move(end));
  }
  changed_.notify_all();
}

bool History::WaitFor(size_t request, size_t parts, SteadyTime until) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, until, [&] {
    const RequestRecord& record = records_[request];
    return !record.ends.empty() || record.parts.size() >= parts;
  });
  return !records_[request].ends.empty();
}

std::vector<RequestRecord> History::records() const {
  const std::lock_guard lock(mutex_);
  return records_;
}

size_t History::size() const {
  const std::lock_guard lock(mutex_);
  return records_.size();
}

size_t History::answering() const {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(std::ranges::count_if(records_, [](const RequestRecord& record) {
    return !record.parts.empty() && record.ends.empty();
  }));
}

namespace {

json JsonOf(const Samples& samples) {
  json all = json::array();
  for (const SampleRecord& sample : samples) {
    all.push_back({{"tokens", sample.tokens}, {"text", sample.text}});
  }
  return all;
}

json JsonOf(const RequestRecord& record) {
  json parts = json::array();
  for (const PartRecord& part : record.parts) {
    parts.push_back({{"ms", part.at.count()},
                     {"seq", part.seq},
                     {"sample", part.sample},
                     {"tokens", part.tokens},
                     {"text", part.text}});
  }
  json ends = json::array();
  for (const EndRecord& end : record.ends) {
    ends.push_back({{"ms", end.at.count()},
                    {"code", CodeName(end.code)},
                    {"message", end.message},
                    {"accepted", end.accepted},
                    {"loaded", end.loaded},
                    {"samples", JsonOf(end.samples)}});
  }
  return {{"id", record.id.ToHex()},
          {"client", record.client},
          {"question", record.question},
          {"submitted_ms", record.submitted.count()},
          {"deadline_ms", record.deadline.count()},
          {"cancelled", record.cancelled},
          {"parts", std::move(parts)},
          {"ends", std::move(ends)}};
}

}  // namespace

Status WriteHistory(const std::vector<RequestRecord>& records, const std::string& path) {
  std::string text;
  for (const RequestRecord& record : records) {
    // Messages may quote bytes that are no UTF-8.
    text += JsonOf(record).dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  }
  return WriteFileAtomically(path, text);
}

}  // namespace promptcache::chaos

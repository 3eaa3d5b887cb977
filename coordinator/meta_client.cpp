#include "coordinator/meta_client.h"

#include <utility>

namespace promptcache {
namespace {

constexpr std::chrono::milliseconds kTimeout{10'000};
constexpr int kWriteAttempts = 3;
constexpr uint64_t kMaxMessageBytes = uint64_t{96} << 20;  // a schema document and its record

MetaClient::PageCallback RecordsOnly(MetaClient::Callback callback) {
  return [callback = std::move(callback)](Result<MetaReply> reply) {
    if (!reply.ok()) return callback(reply.status());
    callback(std::move(reply->entries));
  };
}

}  // namespace

MetaClient::MetaClient(Transport& transport, const std::string& endpoint)
    : transport_(transport), endpoint_(endpoint) {
  ConnectionOptions options;
  options.connect = {.endpoint = endpoint, .max_message_bytes = kMaxMessageBytes};
  options.hello = {.role = PeerRole::kCoordinator, .name = "coordinator"};
  connection_ = std::make_unique<Connection>(
      transport, options,
      ConnectionEvents{.on_up =
                           [this](const HelloAck& /*ack*/) {
                             for (const auto& up : on_up_) up();
                           },
                       .on_down = [this](const Status& why) { FailAll(why); },
                       .on_message = [this](const Envelope& envelope,
                                            const Frame& /*payload*/) { Handle(envelope); }});
}

MetaClient::~MetaClient() {
  for (auto& [id, pending] : pending_) transport_.CancelTimer(pending.timer);
}

Status MetaClient::Start() { return connection_->Start(); }

void MetaClient::List(const std::string& prefix, Callback callback) {
  ListOn({.prefix = prefix}, {}, std::move(callback));
}

void MetaClient::ListOn(MetaList list, Records found, Callback callback) {
  Page(list, [this, list, found = std::move(found),
              callback = std::move(callback)](Result<MetaReply> page) mutable {
    if (!page.ok()) return callback(page.status());
    for (MetaRecord& record : page->entries) {
      if (record.key <= list.after)
        return callback(Unavailable("the cachestore lists records twice"));
      list.after = record.key;
      found.push_back(std::move(record));
    }
    if (!page->more) return callback(std::move(found));
    if (page->entries.empty()) {
      return callback(Unavailable("the cachestore says that more records follow, and none do"));
    }
    ListOn(std::move(list), std::move(found), std::move(callback));
  });
}

void MetaClient::Page(MetaList list, PageCallback callback) {
  Call(std::move(list), std::move(callback));
}

void MetaClient::Get(const std::string& key, Callback callback) {
  Call(MetaGet{key}, RecordsOnly(std::move(callback)));
}

void MetaClient::Swap(MetaSet set, Callback callback) {
  Call(std::move(set), RecordsOnly(std::move(callback)));
}

void MetaClient::Set(const std::string& key, const std::string& value, Callback callback) {
  Write({.key = key, .remove = false, .value = value}, kWriteAttempts, std::move(callback));
}

void MetaClient::Remove(const std::string& key, Callback callback) {
  Write({.key = key, .remove = true}, kWriteAttempts, std::move(callback));
}

void MetaClient::Write(MetaSet set, int attempts, Callback callback) {
  Get(set.key, [this, set, attempts, callback](Result<Records> found) mutable {
    if (!found.ok()) return callback(found.status());
    if (found->empty() && set.remove) return callback(std::move(found));
    set.expected = RevisionIn(*found);
    Swap(set, [this, set, attempts, callback](Result<Records> written) {
      const bool lost_race =
          !written.ok() && written.status().code() == Code::kFailedPrecondition && attempts > 1;
      if (lost_race) return Write(set, attempts - 1, callback);
      callback(std::move(written));
    });
  });
}

void MetaClient::Call(Message request, PageCallback callback) {
  const Envelope envelope{.request_id = RequestId::Random(),
                          .timeout_ms = static_cast<uint64_t>(kTimeout.count()),
                          .body = std::move(request)};
  if (Status status = connection_->Send(envelope); !status.ok()) {
    if (status.code() != Code::kUnavailable) return callback(status.WithContext("the cachestore"));
    return callback(Unavailable("the cachestore is not reachable (" + status.message() +
                                "); start it and try again"));
  }
  const RequestId id = envelope.request_id;
  const TimerId timer = transport_.After(
      kTimeout, [this, id] { Complete(id, Unavailable("the cachestore does not answer")); });
  pending_.emplace(id, Pending{std::move(callback), timer});
}

void MetaClient::Handle(const Envelope& envelope) {
  if (const auto* reply = std::get_if<MetaReply>(&envelope.body)) {
    Complete(envelope.request_id, *reply);
  } else if (const auto* error = std::get_if<Reply>(&envelope.body)) {
    if (error->code == Code::kOk) {
      Complete(envelope.request_id, MetaReply());
    } else {
      Complete(envelope.request_id,
               Status(error->code, error->message).WithContext("the cachestore"));
    }
  }
}

void MetaClient::Complete(const RequestId& id, Result<MetaReply> result) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;
  Pending pending = std::move(found->second);
  pending_.erase(found);
  transport_.CancelTimer(pending.timer);
  pending.callback(std::move(result));
}

void MetaClient::FailAll(const Status& status) {
  const Status lost = Unavailable("the cachestore was lost: " + status.message());
  while (!pending_.empty()) Complete(pending_.begin()->first, lost);
}

}  // namespace promptcache

// The public client: submit prompts, stream answers, manage schemas.
//
//   auto client = promptcache::Client::Connect({.endpoints = {"tcp://127.0.0.1:7420"}});
//   auto answer = (*client)->Submit({.prompt = "<prompt
//   schema=\"support\"><refunds/>Hi</prompt>"});
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/wire/messages.h"
#include "common/status.h"
#include "common/types.h"

namespace promptcache {

class TransportContext;

struct ClientOptions {
  // Coordinators, tried in order, again and again; at least one. With #KEY behind, if links have
  // keys. There is a link to one at a time.
  std::vector<std::string> endpoints;
  // Of `promptcache keygen`, of the role client or admin; or a directory with a client.key. Empty:
  // links are plain, and stay on this machine unless plain ones may leave it.
  std::string key_file;
  bool allow_plaintext = false;
  std::string name = "client";
  // How long no coordinator need be reachable before Connect gives up, and before a request ends
  // with kUnavailable that was submitted, or whose coordinator was lost, that long ago.
  std::chrono::milliseconds connect_timeout{5'000};
  // Needed only for inproc:// endpoints; shared with the transport that listens.
  std::shared_ptr<TransportContext> context;
};

struct SubmitOptions {
  // From the call to the final answer; 1 ms to a year, what is outside becomes the nearer one.
  std::chrono::milliseconds deadline{600'000};
  // W3C traceparent that goes with every message about the request; what is none, or over 256
  // bytes: kInvalidArgument. Empty: one is made, whose trace id is the request's id.
  std::string trace;
};

struct SampleAnswer {
  std::string text;
  std::vector<TokenId> tokens;
  std::vector<TokenLogprobs> logprobs;  // of each token, when asked for
};

// What is known when a request ends. The samples hold what arrived, also when it failed.
struct Answer {
  Status status;
  RequestId request_id;
  std::string schema;
  std::string version;
  std::vector<SampleAnswer> samples{1};  // as many as were asked for
  Usage usage;
  // Of kBusy: when it may be worth another try; 0: not said. The client does not try by itself.
  std::chrono::milliseconds retry_after{0};
  double client_ttft_ms = 0;   // from Submit to the first token, as the client saw it; 0: none came
  double client_total_ms = 0;  // from Submit to the end

  // Of the first sample.
  const std::string& text() const { return samples.front().text; }
  const std::vector<TokenId>& tokens() const { return samples.front().tokens; }
};

// Called on the client's own thread, in order, without gaps. Must not block; of the client they may
// call SubmitAsync and Cancel. Either may be null.
using PartialCallback = std::function<void(const Partial&)>;
using FinalCallback = std::function<void(Answer)>;

// A request that was submitted ends exactly once, at most 1 s after its deadline. When a
// coordinator is lost, its requests go to the next one that answers, with what has been shown of
// their answers; every token is shown once. All other calls end with kUnavailable then, and may
// have been carried out. All calls but Submit wait a minute for their answer at most, then:
// kDeadlineExceeded.
//
// Thread safe. Destruction cancels what is running and joins the client's thread: never in a
// callback.
class Client {
 public:
  // kUnavailable, naming the endpoints, when none answers within connect_timeout; at once, with the
  // reason, when all refuse this client. kInvalidArgument for an endpoint that can never work; as
  // ReadLinkKey for the key file.
  static Result<std::unique_ptr<Client>> Connect(ClientOptions options);
  virtual ~Client() = default;

  // Sends and waits. The answer's status is what a coordinator said, or made here:
  // kDeadlineExceeded, when nothing comes in time; kUnavailable, when no coordinator can be reached
  // (ClientOptions::connect_timeout) or parts of the answer were lost again and again;
  // kInvalidArgument for options out of range; kResourceExhausted for a prompt over the
  // coordinator's limit; kBusy when too many messages wait to be sent.
  // `tried`, `delivered` and `version` of the request are the client's own.
  virtual Answer Submit(const struct Submit& request, const SubmitOptions& options = {},
                        PartialCallback on_partial = nullptr) = 0;

  // Returns at once; `on_final` is called exactly once, on the client's thread.
  virtual RequestId SubmitAsync(const struct Submit& request, const SubmitOptions& options,
                                PartialCallback on_partial, FinalCallback on_final) = 0;
  // The request ends with kCancelled unless it ends otherwise first: when the coordinator says so,
  // at once when none is reachable, at the latest after the deadline. Unknown ids are ignored.
  virtual void Cancel(const RequestId& request) = 0;

  virtual Result<SchemaInfo> AddSchema(const SchemaAdd& schema) = 0;
  // All schemas, or one schema's versions with their documents.
  virtual Result<std::vector<SchemaInfo>> ListSchemas(const std::string& name = "") = 0;
  virtual Status RemoveSchema(const std::string& name) = 0;
  virtual Result<StatusReply> GetStatus() = 0;
  // Every live worker drops these units from its memory; what each of them did.
  virtual Result<UnitsDropped> DropUnits(const std::vector<UnitKey>& keys) = 0;
  // What happened to a request and why; without an id, to the slowest of the recent ones. kNotFound
  // when the coordinator does not remember it.
  virtual Result<ExplainReply> Explain(const std::optional<RequestId>& request = {}) = 0;
  // The worker takes no new requests of any coordinator, or does so again. kNotFound for a name
  // that no live worker has.
  virtual Status DrainWorker(const std::string& worker, DrainChange change) = 0;

  // Coordinators keep the prompts, run them when there is room, and keep the answers until the
  // batch is removed. OK: it survives restarts. The id is the caller's, so that a call without an
  // answer may be repeated: with the same items it is the same batch. kAlreadyExists: with others;
  // kFailedPrecondition: the coordinator has no store to keep it in.
  virtual Result<BatchInfo> AddBatch(const RequestId& id, const BatchAdd& batch) = 0;
  // All batches; or one, with the results of items that have ended, from `first` on, as many as fit
  // into a message: `more` says that others follow behind the last of them.
  virtual Result<BatchReply> QueryBatches(const BatchQuery& query = {}) = 0;
  // What runs is cancelled, and the results are gone.
  virtual Status RemoveBatch(const RequestId& id) = 0;
};

}  // namespace promptcache

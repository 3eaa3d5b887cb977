// The public client: submit prompts, stream answers, manage schemas.
//
//   auto client = promptcache::Client::Connect({.endpoints = {"tcp://127.0.0.1:7420"}});
//   auto answer = (*client)->Submit({.prompt = "<prompt
//   schema=\"support\"><refunds/>Hi</prompt>"});
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cluster/wire/messages.h"
#include "common/status.h"
#include "common/types.h"

namespace promptcache {

class TransportContext;

struct ClientOptions {
  // Coordinators, tried in order; at least one. With #KEY behind, if links have keys.
  std::vector<std::string> endpoints;
  // Of `promptcache keygen`, of the role client or admin; or a directory with a client.key. Empty:
  // links are plain, and stay on this machine unless plain ones may leave it.
  std::string key_file;
  bool allow_plaintext = false;
  std::string name = "client";
  std::chrono::milliseconds connect_timeout{5'000};
  // Needed only for inproc:// endpoints; shared with the transport that listens.
  std::shared_ptr<TransportContext> context;
};

struct SubmitOptions {
  std::chrono::milliseconds deadline{600'000};  // from the call to the final answer
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

// Thread safe. Destruction cancels what is running and joins the client's thread: never in a
// callback.
class Client {
 public:
  // kUnavailable, naming the endpoints, when none answers within connect_timeout; at once, with the
  // reason, when all refuse this client. kInvalidArgument for an endpoint that can never work; as
  // ReadLinkKey for the key file.
  static Result<std::unique_ptr<Client>> Connect(ClientOptions options);
  virtual ~Client() = default;

  // Sends and waits. The answer's status is what the coordinator said, or DEADLINE_EXCEEDED or
  // UNAVAILABLE made here when nothing arrives in time (at most 1 s after the deadline).
  virtual Answer Submit(const struct Submit& request, const SubmitOptions& options = {},
                        PartialCallback on_partial = nullptr) = 0;

  // Returns at once; `on_final` is called exactly once, on the client's thread.
  virtual RequestId SubmitAsync(const struct Submit& request, const SubmitOptions& options,
                                PartialCallback on_partial, FinalCallback on_final) = 0;
  // The request ends with CANCELLED unless it ends otherwise first. Unknown ids are ignored.
  virtual void Cancel(const RequestId& request) = 0;

  virtual Result<SchemaInfo> AddSchema(const SchemaAdd& schema) = 0;
  // All schemas, or one schema's versions with their documents.
  virtual Result<std::vector<SchemaInfo>> ListSchemas(const std::string& name = "") = 0;
  virtual Status RemoveSchema(const std::string& name) = 0;
  virtual Result<StatusReply> GetStatus() = 0;
  // Every live worker drops these units from its memory; what each of them did.
  virtual Result<UnitsDropped> DropUnits(const std::vector<UnitKey>& keys) = 0;
};

}  // namespace promptcache

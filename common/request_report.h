// What a coordinator remembers of a request: when what happened, which workers it could have gone
// to, and why it went where it went. As it is, this is also part of a message.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/status.h"
#include "common/types.h"

namespace promptcache {

// One worker as a request saw it when it was routed. Seconds; the chosen one has the least total.
struct RouteReport {
  std::string worker;
  bool room = false;           // free slots, and no slow start
  bool full = false;           // more work before it than it may have
  uint64_t device_tokens = 0;  // of the plan's units, on the device or on their way there
  double wait_s = 0;           // for the work before it
  double work_s = 0;           // to load, encode and compute
  double congestion_s = 0;     // what the work costs those that come after it
  double displacement_s = 0;   // to load again what its units would throw out of a full device
  double kv_s = 0;             // memory for running requests becomes scarce
  double tie_s = 0;            // not the home
  double total = 0;
  bool operator==(const RouteReport&) const = default;
};

struct AttemptReport {
  uint32_t attempt = 0;
  std::string worker;
  double given_ms = 0;              // after the request came
  std::string end;                  // why it left the worker; empty: it has not
  std::vector<RouteReport> routes;  // the worker's own first; empty: it was found running there
  bool operator==(const AttemptReport&) const = default;
};

// Times count from the arrival of the request; 0: has not happened.
struct RequestReport {
  RequestId id;
  std::string trace;   // W3C traceparent
  std::string client;  // as it calls itself
  std::string tenant;
  std::string schema;
  std::string version;
  uint64_t received_unix_ms = 0;
  double planned_ms = 0;
  double first_token_ms = 0;
  double ended_ms = 0;
  Code code = Code::kOk;  // when it has ended
  std::string message;
  std::vector<AttemptReport> attempts;
  Usage usage;
  bool operator==(const RequestReport&) const = default;
};

}  // namespace promptcache

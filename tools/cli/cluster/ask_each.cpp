#include "tools/cli/cluster/ask_each.h"

namespace promptcache {

Result<ExplainReply> AskEach(const std::vector<std::string>& endpoints, const AskOne& ask) {
  Status unknown;
  Status unreachable = Unavailable("there is no coordinator to ask");
  std::string not_asked;
  for (const std::string& endpoint : endpoints) {
    Result<ExplainReply> reply = ask(endpoint);
    if (reply.status().code() == Code::kNotFound) {
      unknown = reply.status();
    } else if (reply.status().code() == Code::kUnavailable) {
      unreachable = reply.status();
      not_asked += (not_asked.empty() ? "" : ", ") + endpoint;
    } else {
      return reply;
    }
  }
  if (unknown.ok()) return unreachable;
  if (not_asked.empty()) return unknown;
  return NotFound(unknown.message() + "; could not be asked: " + not_asked);
}

}  // namespace promptcache

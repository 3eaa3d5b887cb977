// Asks every coordinator how it is, again and again, past all links that are in trouble.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cluster/client/client.h"
#include "tools/chaos/topology.h"

namespace promptcache::chaos {

class StatusWatch {
 public:
  // REQUIRES: all coordinators serve.
  static Result<std::unique_ptr<StatusWatch>> Start(const Topology& topology);

  // Requests that were taken over from another coordinator or a lost worker, as far as the
  // coordinators could still be asked.
  uint64_t resumed() const;
  // What is not as it should be when nobody asks for anything, as the last statuses say; empty: all
  // is quiet.
  std::string Unrest() const;

 private:
  explicit StatusWatch(const Topology& topology) : topology_(topology) {}
  void Watch(size_t coordinator, const std::stop_token& stop);
  std::string UnrestOf(const StatusReply& status) const;

  const Topology& topology_;
  mutable std::mutex mutex_;
  std::vector<std::optional<StatusReply>> last_;  // by coordinator; none: it does not answer
  std::map<std::pair<std::string, uint32_t>, uint64_t> resumed_;  // by coordinator and process
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::jthread> threads_;  // last: they end before what they use
};

}  // namespace promptcache::chaos

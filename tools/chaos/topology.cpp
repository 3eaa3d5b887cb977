#include "tools/chaos/topology.h"

#include <unistd.h>

#include <algorithm>

namespace promptcache::chaos {
namespace {

constexpr uint32_t kFirstStore = 10;
constexpr uint32_t kFirstCoordinator = 20;
constexpr uint32_t kFirstWorker = 30;
constexpr uint32_t kProxyHost = 1;
constexpr uint16_t kFirstProxyPort = 7500;

}  // namespace

Topology::Topology(const TopologyOptions& options)
    : options_(options),
      stores_(MakeNodes("store", options.stores, kFirstStore)),
      coordinators_(MakeNodes("coordinator", options.coordinators, kFirstCoordinator)),
      workers_(MakeNodes("worker", options.workers, kFirstWorker)),
      clients_(MakeNodes("client", options.clients, 0)) {
  ConnectAll();
}

std::vector<Node> Topology::MakeNodes(const std::string& kind, uint32_t count,
                                      uint32_t first_host) const {
  std::vector<Node> nodes;
  for (uint32_t i = 0; i < count; ++i) {
    Node& node = nodes.emplace_back(Node{.name = kind + "-" + std::to_string(i + 1)});
    if (first_host > 0) node.host = options_.network + "." + std::to_string(first_host + i);
  }
  return nodes;
}

std::string Topology::Link(const Node& from, const Node& to, uint16_t port) {
  if (options_.style == LinkStyle::kDirect) return to.At(port).endpoint();
  const TcpAddress here = {options_.network + "." + std::to_string(kProxyHost),
                           static_cast<uint16_t>(kFirstProxyPort + links_.size())};
  links_.push_back({.name = from.name + ">" + to.name, .listens = here, .target = to.At(port)});
  return here.endpoint();
}

void Topology::ConnectAll() {
  for (const Node& coordinator : coordinators_) {
    reach_.push_back(
        {.node = coordinator.name, .store = Link(coordinator, stores_.front(), kStorePort)});
  }
  for (size_t i = 0; i < workers_.size(); ++i) {
    Reach reach{.node = workers_[i].name,
                .store = Link(workers_[i], stores_[i % stores_.size()], kStorePort)};
    for (const Node& to : coordinators_) {
      reach.coordinators.push_back(Link(workers_[i], to, kWorkerPort));
    }
    reach_.push_back(std::move(reach));
  }
  for (size_t i = 0; i < clients_.size(); ++i) {
    Reach reach{.node = clients_[i].name};
    for (const Node& to : coordinators_) {
      reach.coordinators.push_back(Link(clients_[i], to, kClientPort));
    }
    // Each begins with another one.
    std::rotate(reach.coordinators.begin(),
                reach.coordinators.begin() + static_cast<int64_t>(i % coordinators_.size()),
                reach.coordinators.end());
    reach_.push_back(std::move(reach));
  }
}

std::vector<Node> Topology::processes() const {
  std::vector<Node> all = stores_;
  all.insert(all.end(), coordinators_.begin(), coordinators_.end());
  all.insert(all.end(), workers_.begin(), workers_.end());
  return all;
}

std::vector<std::string> Topology::LinksBetween(const std::string& from,
                                                const std::string& to) const {
  std::vector<std::string> names;
  for (const ProxiedLink& link : links_) {
    const size_t arrow = link.name.find('>');
    if (link.name.starts_with(from) && link.name.compare(arrow + 1, to.size(), to) == 0) {
      names.push_back(link.name);
    }
  }
  return names;
}

const Topology::Reach& Topology::ReachOf(const std::string& node) const {
  return *std::find_if(reach_.begin(), reach_.end(),
                       [&](const Reach& reach) { return reach.node == node; });
}

const std::vector<std::string>& Topology::CoordinatorsOf(const std::string& node) const {
  return ReachOf(node).coordinators;
}

const std::string& Topology::StoreOf(const std::string& node) const { return ReachOf(node).store; }

std::string LoopbackNetwork() {
  const auto pid = static_cast<uint32_t>(::getpid());
  return "127." + std::to_string(64 + (pid >> 8) % 64) + "." + std::to_string(pid % 256);
}

}  // namespace promptcache::chaos

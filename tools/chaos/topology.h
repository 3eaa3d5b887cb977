// Who there is, where each listens, and over which link each reaches whom.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/chaos/link_proxies.h"

namespace promptcache::chaos {

enum class LinkStyle : uint8_t {
  kProxied,  // every link has a proxy of its own, all on loopback
  kDirect,   // every process has an address of its own on a network of its own
};

struct TopologyOptions {
  uint32_t stores = 2;  // the first one keeps the meta records
  uint32_t coordinators = 3;
  uint32_t workers = 4;  // shared out among the stores
  uint32_t clients = 16;
  LinkStyle style = LinkStyle::kProxied;
  // "127.80.7" or "10.77.0": what all addresses begin with. Of a loopback address nobody else uses.
  std::string network;
};

// A process or a client.
struct Node {
  std::string name;  // "store-1", "coordinator-1", "worker-1", "client-1"
  std::string host;  // its address; "" for clients

  TcpAddress At(uint16_t port) const { return {host, port}; }
};

class Topology {
 public:
  explicit Topology(const TopologyOptions& options);

  const std::vector<Node>& stores() const { return stores_; }
  const std::vector<Node>& coordinators() const { return coordinators_; }
  const std::vector<Node>& workers() const { return workers_; }
  const std::vector<Node>& clients() const { return clients_; }
  // Stores, coordinators and workers: the order in which they can be started.
  std::vector<Node> processes() const;
  // Empty when links are direct.
  const std::vector<ProxiedLink>& links() const { return links_; }
  // Of links from nodes whose name begins with `from` to nodes whose name begins with `to`.
  std::vector<std::string> LinksBetween(const std::string& from, const std::string& to) const;

  // What the node connects to.
  const std::vector<std::string>& CoordinatorsOf(const std::string& node) const;
  const std::string& StoreOf(const std::string& node) const;
  LinkStyle style() const { return options_.style; }

 private:
  struct Reach {
    std::string node;
    std::vector<std::string> coordinators;
    std::string store;
  };

  std::vector<Node> MakeNodes(const std::string& kind, uint32_t count, uint32_t first_host) const;
  // The endpoint under which `from` reaches `to`.
  std::string Link(const Node& from, const Node& to, uint16_t port);
  void ConnectAll();
  const Reach& ReachOf(const std::string& node) const;

  const TopologyOptions options_;
  std::vector<Node> stores_;
  std::vector<Node> coordinators_;
  std::vector<Node> workers_;
  std::vector<Node> clients_;
  std::vector<ProxiedLink> links_;
  std::vector<Reach> reach_;
};

// A loopback network that no other process has.
std::string LoopbackNetwork();

inline constexpr uint16_t kClientPort = 7420;
inline constexpr uint16_t kWorkerPort = 7421;
inline constexpr uint16_t kStorePort = 7422;

}  // namespace promptcache::chaos

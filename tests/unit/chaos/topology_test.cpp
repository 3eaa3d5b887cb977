#include "tools/chaos/topology.h"

#include <gtest/gtest.h>

#include <set>

#include "tools/chaos/nemesis.h"

namespace promptcache::chaos {
namespace {

TEST(Topology, EveryProxiedLinkHasAProxyOfItsOwn) {
  const Topology topology({.network = "127.80.7"});
  // Clients and workers to each coordinator, workers to their store, coordinators to the first one.
  EXPECT_EQ(topology.links().size(), 16u * 3 + 4 * 3 + 4 + 3);
  std::set<std::string> listens;
  for (const ProxiedLink& link : topology.links()) listens.insert(link.listens.endpoint());
  EXPECT_EQ(listens.size(), topology.links().size());
  EXPECT_EQ(topology.LinksBetween("worker", "store").size(), 4u);
  EXPECT_EQ(topology.LinksBetween("client-1>", "coordinator-2").size(), 1u);
}

TEST(Topology, LinksGoByThemselvesAndByTheCoordinatorTheyLeadTo) {
  const Topology topology({.network = "127.80.7"});
  const auto sets = LinkSets(topology);
  EXPECT_EQ(sets.at("client-1>coordinator-2"), std::vector<std::string>{"client-1>coordinator-2"});
  EXPECT_EQ(sets.at("clients>coordinator-2").size(), 16u);
  EXPECT_EQ(sets.at("workers>coordinator-2").size(), 4u);
}

TEST(Topology, WorkersAreSharedOutAmongTheStores) {
  const Topology topology({.style = LinkStyle::kDirect, .network = "10.77.0"});
  EXPECT_EQ(topology.StoreOf("worker-1"), topology.StoreOf("worker-3"));
  EXPECT_NE(topology.StoreOf("worker-1"), topology.StoreOf("worker-2"));
  EXPECT_EQ(topology.StoreOf("coordinator-3"), "tcp://10.77.0.10:7422");
  EXPECT_TRUE(topology.links().empty());
}

TEST(Topology, ClientsKnowAllCoordinatorsAndBeginWithDifferentOnes) {
  const Topology topology({.network = "127.80.7"});
  std::set<std::string> first;
  for (const char* client : {"client-1", "client-2", "client-3"}) {
    EXPECT_EQ(topology.CoordinatorsOf(client).size(), 3u);
    first.insert(topology.CoordinatorsOf(client).front());
  }
  EXPECT_EQ(first.size(), 3u);
}

}  // namespace
}  // namespace promptcache::chaos

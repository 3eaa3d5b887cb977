#include "worker/attention/layer_arrival.h"

#include <gtest/gtest.h>

#include <thread>

namespace promptcache {
namespace {

constexpr SteadyTime::duration kNone{0};

TEST(LayerArrival, LayersThatAreThereAreNotWaitedFor) {
  LayerArrival arrival;
  arrival.Add(), arrival.Add();
  SteadyTime::duration patience = kNone;
  EXPECT_TRUE(arrival.Wait(2, patience).ok());
  EXPECT_EQ(patience, kNone);
  EXPECT_EQ(arrival.Wait(3, patience).code(), Code::kUnavailable);
}

TEST(LayerArrival, FailureLeavesTheLayersThatWereThere) {
  LayerArrival arrival;
  arrival.Add();
  arrival.Fail(DataLoss("layer 1"));
  SteadyTime::duration patience = std::chrono::hours(1);
  EXPECT_TRUE(arrival.Wait(1, patience).ok());
  EXPECT_EQ(arrival.Wait(2, patience).message(), "layer 1");
}

TEST(LayerArrival, WakesWhoWaitsForALayer) {
  LayerArrival arrival;
  std::thread loader([&] { arrival.Add(), arrival.Add(), arrival.Add(); });
  SteadyTime::duration patience = std::chrono::hours(1);
  EXPECT_TRUE(arrival.Wait(3, patience).ok());
  loader.join();
}

TEST(LayerArrival, PatienceIsSpentOverAllWaits) {
  LayerArrival arrival;
  SteadyTime::duration patience = std::chrono::milliseconds(1);
  EXPECT_EQ(arrival.Wait(1, patience).code(), Code::kUnavailable);
  EXPECT_LE(patience, kNone);
}

}  // namespace
}  // namespace promptcache

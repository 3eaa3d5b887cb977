#include "cluster/launch/gpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/transport/zmq_test_util.h"

namespace promptcache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ChooseGpus, TakesTheNumbersOfTheList) {
  EXPECT_THAT(*ChooseGpus("", "/dev"), IsEmpty());
  EXPECT_THAT(*ChooseGpus("0", "/dev"), ElementsAre(0));
  EXPECT_THAT(*ChooseGpus("3,0,1", "/dev"), ElementsAre(3, 0, 1));
}

TEST(ChooseGpus, RefusesWhatIsNoListOfGpus) {
  for (const char* gpus :
       {"ALL", "0,", ",0", "0,,1", "0 1", "0, 1", "-1", "cuda:0", "256", "0,1,0", "99999999999"}) {
    const auto chosen = ChooseGpus(gpus, "/dev");
    EXPECT_EQ(chosen.status().code(), Code::kInvalidArgument) << gpus;
    EXPECT_THAT(chosen.status().message(), HasSubstr("\"0,1,3\"")) << gpus;
  }
}

TEST(ChooseGpus, AllAreThoseThatTheDriverShows) {
  const testing::TempDirectory dev;
  for (const char* name : {"nvidia10", "nvidia2", "nvidia0", "nvidiactl", "nvidia-uvm", "nvidia",
                           "null", "nvidia0x"}) {
    std::ofstream(dev.path() / name) << "";
  }
  EXPECT_THAT(*ChooseGpus("all", dev.path().string()), ElementsAre(0, 2, 10));
}

TEST(ChooseGpus, NoneWhereAllAreWantedIsAnErrorThatSaysWhatWasLookedFor) {
  const testing::TempDirectory dev;
  const auto none = ChooseGpus("all", dev.path().string());
  EXPECT_EQ(none.status().code(), Code::kNotFound);
  EXPECT_THAT(none.status().message(), HasSubstr(dev.path().string() + "/nvidia0"));
  EXPECT_EQ(ChooseGpus("all", "/nowhere").status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace promptcache

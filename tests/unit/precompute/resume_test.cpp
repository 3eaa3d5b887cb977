// Killing the process at any place costs the unit in progress and nothing else.
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "cachestore/disk/open.h"
#include "tests/unit/precompute/precompute_fixture.h"

namespace promptcache::testing {
namespace {

enum class Moment : uint8_t { kBeforeTheUnit, kAfterTheUnit };

// Ends the process the hard way around the unit of this number.
class DyingProducer : public FakeProducer {
 public:
  DyingProducer(size_t unit, Moment moment) : unit_(unit), moment_(moment) {}

  Result<ProducedUnit> Produce(const WorkUnit& unit, BlobStore& store) override {
    const bool last = produced.size() == unit_;
    if (last && moment_ == Moment::kBeforeTheUnit) ::kill(::getpid(), SIGKILL);
    auto run = FakeProducer::Produce(unit, store);
    if (last) ::kill(::getpid(), SIGKILL);
    return run;
  }

 private:
  const size_t unit_;
  const Moment moment_;
};

// Runs in a child process, whose wait status it returns. The store's threads would not survive a
// fork, so that the parent opens none.
template <typename Function>
int InChild(const Function& function) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(function());
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

// Produces what the directory lacks; the number of units, 100 on failure.
int Fill(const std::string& directory, const std::vector<WorkUnit>& units, FakeProducer& producer) {
  const auto disk = OpenDiskStore({.directory = directory});
  if (!disk.ok()) return 100;
  BlobStore& store = (*disk)->blobs();
  const auto stored = StoredUnits(store, units);
  if (!stored.ok()) return 100;
  const auto outcome = ProduceUnits(store, producer, MissingUnits(units, *stored), nullptr);
  return outcome.ok() ? static_cast<int>(outcome->encoded.units) : 100;
}

using Resume = PrecomputeTest;

TEST_F(Resume, AfterAKillTakesUpWhatIsMissingAndNothingElse) {
  const std::vector<WorkUnit> units = ListText(
      "<schema name=\"s\">r<module name=\"a\">b c</module><module name=\"d\">e</module>"
      "<module name=\"f\">g h i</module></schema>");
  ASSERT_EQ(units.size(), 4U);
  for (size_t unit = 0; unit < units.size(); ++unit) {
    for (const Moment moment : {Moment::kBeforeTheUnit, Moment::kAfterTheUnit}) {
      const std::string directory =
          directory_.Sub(std::to_string(unit) + (moment == Moment::kAfterTheUnit ? "after" : ""));
      const int killed = InChild([&] {
        DyingProducer producer(unit, moment);
        return Fill(directory, units, producer);
      });
      ASSERT_TRUE(WIFSIGNALED(killed)) << WEXITSTATUS(killed);
      const size_t kept = unit + (moment == Moment::kAfterTheUnit ? 1 : 0);
      for (const size_t expected : {units.size() - kept, size_t{0}}) {
        const int resumed = InChild([&] {
          FakeProducer producer;
          return Fill(directory, units, producer);
        });
        ASSERT_TRUE(WIFEXITED(resumed));
        EXPECT_EQ(static_cast<size_t>(WEXITSTATUS(resumed)), expected);
      }
    }
  }
}

}  // namespace
}  // namespace promptcache::testing

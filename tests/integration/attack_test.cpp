// Who means harm and reaches a port of a cluster: a good client is served all the same, memory
// stays bounded, and nobody gets at what is another's. How well the good client is served is
// measured by `promptcache-chaos attack`; here it is only printed.
#include <gmock/gmock.h>

#include "common/process.h"
#include "tests/integration/cluster_fixture.h"
#include "tests/unit/cachestore/temp_dir.h"
#include "tools/chaos/attack_run.h"

namespace promptcache::testing {
namespace {

using chaos::Attack;
using chaos::AttackedCluster;
using chaos::IdleStage;
using chaos::RawPeer;
using chaos::Service;
using std::chrono::milliseconds;

constexpr milliseconds kTime{500};
constexpr size_t kIdle = 10'000;
// What coordinator and store may grow by together. Freed memory stays for a while under ASan.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int64_t kMemory = int64_t{1} << 30;
#else
constexpr int64_t kMemory = 48 << 20;
#endif
constexpr int64_t kMemoryOfAnIdleOne = 40 << 10;  // most of it queues of ZeroMQ

class AttackTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    open_files_ = RaiseOpenFiles();
    files_ = std::make_unique<TempDir>();
    auto cluster = AttackedCluster::Start(
        ProgramDirectory().string(), files_->path().string(),
        chaos::FakeEngine(chaos::TinyModelIn(files_->Sub("model")), std::chrono::milliseconds(10)));
    ASSERT_TRUE(cluster.ok()) << cluster.status().ToString();
    cluster_ = *std::move(cluster);
    (void)cluster_->Serve(kTime);  // encodes what is not there yet
  }
  static void TearDownTestSuite() {
    cluster_->processes().Stop();
    EXPECT_THAT(cluster_->processes().faults(), ::testing::IsEmpty());
    cluster_.reset();
    files_.reset();
  }
  void SetUp() override { ASSERT_NE(cluster_, nullptr); }

  static void ExpectServed(const Service& service, int64_t memory) {
    std::printf("beside %s (%llu): p99 %.1f ms, quiet %.1f ms; %lld KiB more\n",
                service.beside.c_str(), static_cast<unsigned long long>(service.strikes),
                service.p99_ms, service.quiet_p99_ms,
                static_cast<long long>(service.grown_bytes >> 10));
    EXPECT_GT(service.asked, 0u);
    EXPECT_EQ(service.failed, 0u);
    EXPECT_GT(service.strikes, 0u);
    EXPECT_LT(service.grown_bytes, memory);
  }
  // As many as the system has files for, at both ends.
  static size_t IdleConnections() {
    const size_t count = std::min<size_t>(kIdle, open_files_ - 500);
    if (count < kIdle) std::printf("only %zu idle connections: the limit of open files\n", count);
    return count;
  }

  static inline uint64_t open_files_ = 0;
  static inline std::unique_ptr<TempDir> files_;
  static inline std::unique_ptr<AttackedCluster> cluster_;
};

TEST_F(AttackTest, OnAnyPortLeavesAGoodClientServedAndMemoryBounded) {
  for (const Attack& attack : chaos::Attacks()) {
    SCOPED_TRACE(attack.name);
    ExpectServed(cluster_->ServeBeside(attack, kTime), kMemory);
  }
}

TEST_F(AttackTest, MessagesThatAreNoneAndMessagesOfStrangersAreCounted) {
  for (const Attack& attack : chaos::Attacks()) {
    const bool has_messages = attack.name == "bad messages" || attack.name == "strangers" ||
                              attack.name == "damaged messages";
    if (!has_messages) continue;
    EXPECT_GT(cluster_->ServeBeside(attack, kTime).bad_frames, 0u) << attack.name;
  }
}

TEST_F(AttackTest, LengthsThatAreOnlyAnnouncedTakeNoMemory) {
  const uint64_t before = cluster_->ResidentBytes();
  std::vector<RawPeer> peers;
  for (const uint64_t announced : {uint64_t{79} << 20, uint64_t{4} << 30}) {
    for (int i = 0; i < 64; ++i) {
      RawPeer& peer = peers.emplace_back(cluster_->ports()[static_cast<size_t>(i) % 3]);
      peer.Greet();
      peer.AwaitGreeting();
      peer.SendFrame(std::string(1'000, 'x'), announced);
    }
  }
  ExpectServed(
      [&] {
        Service service = cluster_->Serve(kTime);
        service.beside = "announced lengths";
        service.strikes = peers.size();
        return service;
      }(),
      kMemory);
  EXPECT_LT(static_cast<int64_t>(cluster_->ResidentBytes()) - static_cast<int64_t>(before),
            kMemory);
}

TEST_F(AttackTest, TenThousandIdleConnectionsLeaveAGoodClientServed) {
  const size_t count = IdleConnections();
  const Service service = cluster_->ServeBeside(count, IdleStage::kConnected, kTime);
  EXPECT_EQ(service.strikes, count);
  ExpectServed(service, kMemory);
}

TEST_F(AttackTest, TenThousandWhoShakeHandsAndSayNothingMoreLeaveAGoodClientServed) {
  const size_t count = IdleConnections();
  const Service service = cluster_->ServeBeside(count, IdleStage::kHandshaken, kTime);
  EXPECT_EQ(service.strikes, count);
  ExpectServed(service, kMemory + static_cast<int64_t>(count) * kMemoryOfAnIdleOne);
}

}  // namespace
}  // namespace promptcache::testing

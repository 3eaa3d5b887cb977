// Prompts of schemas that another coordinator registered, and of versions that are not current.
#include <gmock/gmock.h>

#include "tests/unit/coordinator/catalog_fixture.h"
#include "tests/unit/coordinator/coordinator_fixture.h"
#include "tests/unit/coordinator/session_events.h"

namespace promptcache::testing {
namespace {

using ::testing::HasSubstr;

constexpr char kHello[] = "<prompt schema=\"s\">hello</prompt>";

class VersionsTest : public CoordinatorTest {
 protected:
  VersionsTest() {
    settings_.store_endpoint = FakeStore::kEndpoint;
    there_.StartStore().Start();
  }
  // Through another coordinator; returns the version.
  std::string RegisterThere(const std::string& text) {
    EXPECT_TRUE(there_.Add(Document("s", text)).ok());
    return (*there_.catalog->Find({}, "s", ""))->version;
  }
  // A request that a coordinator had accepted with this version.
  RequestId SendAgain(TestPeer& client, const std::string& version) {
    const RequestId id = IdOf(++last_id_);
    Submit submit = SubmitOf(kHello);
    submit.tried = {"tcp://127.0.0.1:1"};
    submit.version = version;
    client.Send(id, submit, 65'536);
    Pass();
    return id;
  }

  Site there_{records_};
};

TEST_F(VersionsTest, ASchemaThatWasRegisteredElsewhereJustNowIsKnown) {
  Start();
  const auto client = Client();
  const auto worker = Worker();
  const std::string version = RegisterThere("one");
  const RequestId id = SendPrompt(*client, kHello);
  EXPECT_EQ(client->Last<Accepted>(id).version, version);
}

TEST_F(VersionsTest, AListNamesWhatWasRegisteredElsewhereJustNow) {
  Start();
  const auto client = Client();
  RegisterThere("one");
  client->Send(IdOf(200), SchemaList{});
  Pass();
  EXPECT_EQ(client->Last<SchemaReply>(IdOf(200)).schemas.size(), 1u);
}

TEST_F(VersionsTest, AWorkerIsWarmedWithWhatWasRegisteredElsewhereJustNow) {
  settings_.warm = {"s@latest"};
  Start();
  RegisterThere("one");
  const auto worker = Worker();
  EXPECT_THAT(worker->Words(), HasSubstr("run"));
}

TEST_F(VersionsTest, ARequestThatIsSentAgainKeepsTheVersionThatItWasAcceptedWith) {
  const std::string first = RegisterThere("one");
  const std::string second = RegisterThere("two");
  Start();
  const auto client = Client();
  EXPECT_EQ(client->Last<Accepted>(SendAgain(*client, first)).version, first);
  EXPECT_EQ(client->Last<Accepted>(SendAgain(*client, "")).version, second);
  const RequestId id = SendPrompt(*client, kHello);
  EXPECT_EQ(client->Last<Accepted>(id).version, second);
}

TEST_F(VersionsTest, ARequestWhoseVersionIsGoneEverywhereIsTold) {
  const std::string first = RegisterThere("one");
  RegisterThere("two");
  ASSERT_TRUE(there_.Remove("s@" + first).ok());
  Start();
  const auto client = Client();
  const Final final = client->Last<Final>(SendAgain(*client, first));
  EXPECT_EQ(final.code, Code::kNotFound);
  EXPECT_THAT(final.message, HasSubstr("accepted with a version that is gone"));
}

TEST_F(VersionsTest, AVersionWithoutEndIsRefused) {
  Start();
  const auto client = Client();
  EXPECT_EQ(client->Last<Final>(SendAgain(*client, std::string(65, 'a'))).code,
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace promptcache::testing

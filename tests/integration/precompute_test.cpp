// `promptcache precompute` as users run it: a directory or a running store, then the answers that
// load what it made.
#include <gmock/gmock.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "cachestore/memory/memory_store.h"
#include "cachestore/service/store_server.h"
#include "tests/fakes/reactor_thread.h"
#include "tests/integration/cluster_fixture.h"
#include "tests/integration/tiny_model_directory.h"
#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class Precompute : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(directory_.path() / "model");
    WriteTinyModel("llama3", directory_.path() / "model");
    Write("desk.xml",
          "<schema name=\"desk\">Be kind.<module name=\"returns\">Thirty days.</module>"
          "<module name=\"shipping\">Shipping <param name=\"cost\" length=\"4\"/> is free.</module>"
          "<scaffold modules=\"returns shipping\"/></schema>");
    Write("two.xml", "<schema name=\"two\">Be brief.<module name=\"a\">A b c.</module></schema>");
    Write("manifest.toml",
          "[[model]]\nname = \"tiny\"\npath = \"model\"\n"
          "[[schema]]\nfile = \"desk.xml\"\n[[schema]]\nfile = \"two.xml\"\n");
    Write("ask.xml", "<prompt schema=\"desk\"><returns/><shipping/>How long?</prompt>");
  }

  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_.Sub(name)) << text;
    return directory_.Sub(name);
  }
  std::string Manifest() const { return directory_.Sub("manifest.toml"); }
  std::string Store() const { return directory_.Sub("units"); }

  static ProgramResult Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "precompute");
    return RunProgram("promptcache", arguments);
  }
  // What the only model is told.
  static json Told(const std::vector<std::string>& arguments) {
    const ProgramResult run = Run(arguments);
    EXPECT_EQ(run.exit_code, 0) << run.errors;
    return json::parse(run.output, nullptr, false)["models"][0];
  }

  const TempDir directory_;
};

TEST_F(Precompute, ItsUnitsAreLoadedAndNoneIsEncoded) {
  ASSERT_EQ(Told({Manifest(), "--store", Store(), "--json"})["encoded"], 6);
  const ProgramResult run =
      RunProgram("promptcache", {"run", "--model", directory_.Sub("model"), "--schema",
                                 directory_.Sub("desk.xml"), "--prompt", directory_.Sub("ask.xml"),
                                 "--json", "--max-new-tokens", "4", "--store", Store()});
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  const json usage = json::parse(run.output)["usage"];
  ASSERT_FALSE(usage["units"].empty());
  for (const json& unit : usage["units"]) EXPECT_EQ(unit["source"], "disk");
  EXPECT_EQ(usage["encoded_tokens"], 0);
}

TEST_F(Precompute, ChecksFailUntilEverythingIsStored) {
  const std::vector<std::string> check = {Manifest(), "--store", Store(), "--check", "--json"};
  EXPECT_EQ(Run(check).exit_code, 1);
  EXPECT_FALSE(fs::exists(Store()));
  ASSERT_EQ(Run({directory_.Sub("two.xml"), "--model", directory_.Sub("model"), "--store", Store()})
                .exit_code,
            0);
  const ProgramResult some = Run(check);
  EXPECT_EQ(some.exit_code, 1);
  EXPECT_EQ(json::parse(some.output)["missing"], 4);
  const json rest = Told({Manifest(), "--store", Store(), "--json"});
  EXPECT_EQ(rest["encoded"], 4);
  EXPECT_EQ(rest["stored_before"], 2);
  EXPECT_EQ(Run(check).exit_code, 0);
  EXPECT_EQ(Told({Manifest(), "--store", Store(), "--json"})["encoded"], 0);
}

TEST_F(Precompute, ADryRunTellsWhatTheRunThenTakes) {
  const json cost = Told({Manifest(), "--dry-run", "--json"});
  EXPECT_GT(cost["seconds"], 0);
  EXPECT_EQ(cost["rate"], "measured");
  const json done = Told({Manifest(), "--store", Store(), "--json"});
  EXPECT_EQ(done["tokens"].get<int>(),
            cost["own_tokens"].get<int>() + cost["context_tokens"].get<int>());
  EXPECT_EQ(done["bytes"], cost["bytes"]);
}

TEST_F(Precompute, BytesAreThoseThatWereStored) {
  const json done = Told({directory_.Sub("desk.xml"), "--model", directory_.Sub("model"), "--store",
                          Store(), "--compression", "zstd", "--json"});
  const ProgramResult listed =
      RunProgram("promptcache", {"store", "ls", "--directory", Store(), "--json"});
  EXPECT_EQ(done["bytes"], json::parse(listed.output)["totals"]["bytes"]);
}

TEST_F(Precompute, ShardsTogetherStoreEverything) {
  const json first = Told({Manifest(), "--store", Store(), "--json", "--shard", "1/2"});
  const json second = Told({Manifest(), "--store", Store(), "--json", "--shard", "2/2"});
  EXPECT_GT(first["encoded"], 0);
  EXPECT_GT(second["encoded"], 0);
  EXPECT_EQ(first["encoded"].get<int>() + second["encoded"].get<int>(), 6);
  EXPECT_EQ(Run({Manifest(), "--store", Store(), "--check"}).exit_code, 0);
}

TEST_F(Precompute, FillsARunningStore) {
  MemoryBlobStore blobs;
  ReactorThread reactor;
  auto server = reactor.Call([&] {
    return StoreServer::Create(reactor.transport(), {.blobs = blobs, .admin = blobs},
                               {.endpoint = "tcp://127.0.0.1:*"});
  });
  ASSERT_TRUE(server.ok()) << server.status().ToString();
  const std::string endpoint = (*server)->endpoint();
  EXPECT_EQ(Told({Manifest(), "--endpoint", endpoint, "--json"})["encoded"], 6);
  EXPECT_EQ(blobs.Stats()->blobs, 6U);
  EXPECT_EQ(Run({Manifest(), "--endpoint", endpoint, "--check"}).exit_code, 0);
  reactor.Stop();
}

TEST_F(Precompute, UnitsSayWhoUsesThem) {
  MemoryBlobStore blobs;
  ReactorThread reactor;
  auto server = reactor.Call([&] {
    return StoreServer::Create(reactor.transport(), {.blobs = blobs, .admin = blobs},
                               {.endpoint = "tcp://127.0.0.1:*"});
  });
  ASSERT_TRUE(server.ok()) << server.status().ToString();
  const std::vector<std::string> run = {Manifest(), "--endpoint", (*server)->endpoint(), "--json"};
  ASSERT_EQ(Told(run)["encoded"], 6);
  // A later edition of the document has the same units and is another user.
  Write("two.xml",
        "<schema name=\"two\" ttl=\"1h\">Be brief.<module name=\"a\">A b c.</module></schema>");
  ASSERT_EQ(Told(run)["encoded"], 0);
  std::map<std::string, size_t> users;
  const std::vector<BlobInfo> stored = ListAll(blobs).value();
  for (const BlobInfo& blob : stored) {
    // No answer used it; that it has another user now is told as an import.
    EXPECT_EQ(blob.use.imports, blob.use.references.size() - 1);
    for (const BlobReference& one : blob.use.references) {
      EXPECT_EQ(one.reference.version.size(), 16U);
      ++users[one.reference.module];
    }
  }
  EXPECT_THAT(users,
              ElementsAre(Pair("desk", 1), Pair("desk/returns", 1), Pair("desk/shipping", 1),
                          Pair("desk/{returns shipping}", 1), Pair("two", 2), Pair("two/a", 2)));
  reactor.Stop();
}

TEST_F(Precompute, OtherModesAreOtherUnits) {
  ASSERT_EQ(Run({Manifest(), "--store", Store()}).exit_code, 0);
  const std::string more = Write(
      "more.toml",
      "[[model]]\npath = \"model\"\n[[schema]]\nfile = \"desk.xml\"\n"
      "encodings = [\"anchored\", \"independent\"]\nscaffolds = { \"shipping/cost\" = \"abc\" }\n");
  EXPECT_GT(Told({more, "--store", Store(), "--json"})["encoded"], 0);
  EXPECT_EQ(Run({more, "--store", Store(), "--check"}).exit_code, 0);
  EXPECT_EQ(Run({Manifest(), "--store", Store(), "--check"}).exit_code, 0);
}

TEST_F(Precompute, ExitCodesTellWhatIsWrong) {
  EXPECT_EQ(Run({Manifest()}).exit_code, 2);
  EXPECT_EQ(Run({Manifest(), "--store", Store(), "--shard", "3/2"}).exit_code, 2);
  const std::string bad = Write("bad.toml", "[[schema]]\nfil = \"desk.xml\"\n");
  const ProgramResult refused = Run({bad, "--store", Store()});
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.errors, HasSubstr("bad.toml:2: a schema has no key 'fil'"));
  EXPECT_EQ(Run({Manifest(), "--store", Store(), "--max-tokens", "9"}).exit_code, 3);
  const ProgramResult mixed = Run({Manifest(), directory_.Sub("two.xml"), "--store", Store()});
  EXPECT_EQ(mixed.exit_code, 3);
  EXPECT_THAT(mixed.errors, HasSubstr("manifest.toml is a manifest, which stands alone"));
  EXPECT_EQ(Run({Manifest(), "--store", Write("file", "")}).exit_code, 3);
  EXPECT_EQ(Run({Manifest(), "--store", Store(), "--endpoint", "nonsense"}).exit_code, 2);
  EXPECT_EQ(Run({Manifest(), "--endpoint", "nonsense"}).exit_code, 3);
  EXPECT_EQ(Run({Manifest(), "--store", Store(), "--check", "--dry-run"}).exit_code, 2);
  EXPECT_EQ(Run({Manifest(), "--store", Store(), "--rate", "100"}).exit_code, 2);
  const ProgramResult rate = Run({Manifest(), "--dry-run", "--rate", "0"});
  EXPECT_EQ(rate.exit_code, 2);
  EXPECT_THAT(rate.errors, HasSubstr("'0' is no rate: tokens per second, above 0"));
  const ProgramResult twice = Run({Manifest(), "--store", Store(), "--model", "x"});
  EXPECT_EQ(twice.exit_code, 3);
  EXPECT_THAT(twice.errors, HasSubstr("says this itself; leave out --model"));
  EXPECT_EQ(Run({directory_.Sub("none.toml"), "--store", Store()}).exit_code, 4);
  EXPECT_EQ(Run({Manifest(), "--endpoint", "tcp://127.0.0.1:1", "--check"}).exit_code, 7);
}

}  // namespace
}  // namespace promptcache::testing

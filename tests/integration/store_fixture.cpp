#include "tests/integration/store_fixture.h"

#include <filesystem>
#include <fstream>
#include <thread>

#include "cachestore/disk/open.h"
#include "common/clock.h"
#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/store_tools.h"

namespace promptcache::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr char kVersion[] = "0123456789abcdef";

Import ImportOf(const std::string& module, const std::string& tenant = "") {
  return {.reference = {.tenant = tenant,
                        .schema = module.substr(0, module.find('/')),
                        .version = kVersion,
                        .module = module}};
}

Status StoreUnit(BlobStore& blobs, uint32_t number, const std::vector<Import>& imports) {
  const SampleBlob blob = MakeLargeBlob(number, 1 << 20);
  PC_ASSIGN_OR_RETURN(
      const auto writer,
      blobs.StartPut({.key = blob.key, .bytes = blob.bytes.size(), .imports = imports}));
  PC_RETURN_IF_ERROR(writer->Append(blob.bytes));
  return writer->Commit();
}

Status FillStore(const std::string& directory) {
  PC_ASSIGN_OR_RETURN(const auto store, OpenDiskStore({.directory = directory}));
  const std::vector<std::vector<Import>> imports = {
      {ImportOf("desk/refunds")}, {ImportOf("desk/returns"), ImportOf("travel/ghent", "acme")}, {}};
  for (uint32_t i = 0; i < imports.size(); ++i) {
    PC_RETURN_IF_ERROR(StoreUnit(store->blobs(), i + 1, imports[i]));
  }
  const json schema = {{"format", 2},
                       {"document",
                        "<schema name=\"desk\"><module name=\"refunds\">Within fourteen days."
                        "</module></schema>"},
                       {"sources", json::array()},
                       {"max_tokens", 0},
                       {"registered_unix_ms", 1}};
  return store->meta()
      .CompareAndSet(std::string("schema/desk/") + kVersion, 0, schema.dump())
      .status();
}

}  // namespace

void StoreCommand::SetUp() {
  const Status filled = FillStore(Directory());
  ASSERT_TRUE(filled.ok()) << filled.ToString();
}

std::string StoreCommand::KeyOf(uint32_t number) {
  return MakeLargeBlob(number, 1 << 20).key.ToHex();
}

ProgramResult StoreCommand::Store(std::vector<std::string> words) {
  words.insert(words.begin(), "store");
  return RunProgram("promptcache", words);
}

ProgramResult StoreCommand::OnDirectory(std::vector<std::string> words) const {
  words.insert(words.end(), {"--directory", Directory()});
  return Store(words);
}

json StoreCommand::JsonOnDirectory(std::vector<std::string> words) const {
  words.push_back("--json");
  const ProgramResult result = OnDirectory(words);
  EXPECT_EQ(result.exit_code, 0) << result.errors;
  return json::parse(result.output, nullptr, /*allow_exceptions=*/false);
}

void StoreCommand::StartDaemon() {
  const auto pid = runner_->Start(
      {.argv = {(ProgramDirectory() / "promptcache-cachestore").string(), "--directory",
                Directory(), "--endpoint", "tcp://127.0.0.1:*", "--ready-file", File("ready")},
       .log_file = File("log")});
  ASSERT_TRUE(pid.ok()) << pid.status().ToString();
  pid_ = *pid;
  const SteadyTime give_up = SystemClock().Now() + std::chrono::minutes(1);
  while (!fs::exists(File("ready"))) {
    ASSERT_LT(SystemClock().Now(), give_up) << ReadFile(File("log"));
    ASSERT_FALSE(runner_->PollExit()) << ReadFile(File("log"));
    std::this_thread::yield();
  }
  endpoint_ = json::parse(ReadFile(File("ready")))["endpoint"];
}

void StoreCommand::StopDaemon() {
  runner_->Terminate(pid_);
  while (!runner_->PollExit()) std::this_thread::yield();
}

ProgramResult StoreCommand::OnDaemon(std::vector<std::string> words) const {
  words.insert(words.end(), {"--endpoint", endpoint_});
  return Store(words);
}

void StoreCommand::AddUnit(uint32_t number, const std::vector<Import>& imports) {
  const auto store = OpenDiskStore({.directory = Directory()});
  ASSERT_TRUE(store.ok()) << store.status().ToString();
  const Status stored = StoreUnit((*store)->blobs(), number, imports);
  ASSERT_TRUE(stored.ok()) << stored.ToString();
}

void StoreCommand::DamageBlob(uint32_t number) {
  const SampleBlob blob = MakeLargeBlob(number, 1 << 20);
  const std::string marker(blob.layers[1].begin(), blob.layers[1].begin() + 64);
  for (const auto& entry : fs::directory_iterator(Directory())) {
    std::string bytes = ReadFile(entry.path());
    const size_t at = bytes.find(marker);
    if (at == std::string::npos) continue;
    bytes[at + 10] = static_cast<char>(bytes[at + 10] ^ 1);
    std::ofstream(entry.path(), std::ios::binary) << bytes;
    return;
  }
  FAIL() << "no file holds the tensors";
}

}  // namespace promptcache::testing

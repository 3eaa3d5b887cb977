#include "tools/fake_engine/fake_worker_model.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "cachestore/format/compression.h"
#include "tools/fake_engine/fake_engine.h"

namespace promptcache {
namespace {

constexpr size_t kMostWords = 4096;

// Tokens that are plain text whatever stands beside them.
std::vector<TokenId> WordsOf(const Tokenizer& tokenizer) {
  const std::vector<TokenId> ends = tokenizer.end_ids();
  std::vector<TokenId> words;
  const auto limit = static_cast<TokenId>(tokenizer.vocabulary_size());
  for (TokenId id = 0; id < limit && words.size() < kMostWords; ++id) {
    if (tokenizer.IsSpecial(id) || std::ranges::find(ends, id) != ends.end()) continue;
    const Result<std::string> bytes = tokenizer.TokenBytes(id);
    const auto is_plain = [](char c) { return c >= ' ' && c <= '~'; };
    if (bytes.ok() && !bytes->empty() && std::ranges::all_of(*bytes, is_plain)) words.push_back(id);
  }
  return words;
}

class FakeWorkerModel : public WorkerModel {
 public:
  FakeWorkerModel(ServedModel served, FakeModel fake)
      : served_(std::move(served)), fake_(std::move(fake)) {}

  const Identity& identity() const override { return fake_.format.identity; }
  const Tokenizer& tokenizer() const override { return *served_.tokenizer; }
  const std::string& name() const override { return served_.name; }
  uint32_t context_length() const override { return served_.context_length; }
  uint64_t kv_bytes_per_token() const override { return fake_.format.kv_bytes_per_token; }
  std::unique_ptr<Engine> StartEngine(EngineSetup setup) override {
    return StartFakeEngine(fake_, std::move(setup));
  }

 private:
  const ServedModel served_;
  const FakeModel fake_;
};

}  // namespace

Result<std::shared_ptr<WorkerModel>> MakeFakeWorkerModel(const ServedModel& model,
                                                         const WorkerSettings& settings,
                                                         const FakeWorkerOptions& options) {
  PC_ASSIGN_OR_RETURN(const Compression compression, ParseCompression(settings.store_compression));
  Identity identity{.weights = "fake",
                    .tokenizer = model.tokenizer->digest().ToHex(),
                    .positions = "fake",
                    .dtype = "fp16",
                    .kv_layout = std::string(compression.kv_layout),
                    .encoder = "fake"};
  PC_ASSIGN_OR_RETURN(FakeFormat format, FakeFormat::Make(std::move(identity), compression.encoding,
                                                          options.kv_bytes_per_token));
  FakeModel fake{.tokenizer = model.tokenizer.get(),
                 .context_length = model.context_length,
                 .words = WordsOf(*model.tokenizer),
                 .format = std::move(format),
                 .step = options.step};
  if (fake.words.empty()) return InvalidArgument("the tokenizer has no token of plain text");
  return std::shared_ptr<WorkerModel>(std::make_shared<FakeWorkerModel>(model, std::move(fake)));
}

}  // namespace promptcache

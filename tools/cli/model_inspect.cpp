#include <filesystem>
#include <map>

#include "common/formats/architectures.h"
#include "common/text/load_tokenizer.h"
#include "common/text/templates.h"
#include "tools/cli/model_report.h"

namespace promptcache {
namespace {

namespace fs = std::filesystem;

class Totals {
 public:
  void Add(GgufTensorType type, uint64_t elements, uint64_t bytes) {
    TensorTypeTotal& total = by_type_[GgufTypeName(type)];
    ++total.tensors;
    total.elements += elements;
    total.bytes += bytes;
  }
  std::vector<TensorTypeTotal> Take() {
    std::vector<TensorTypeTotal> totals;
    for (auto& [type, total] : by_type_) {
      total.type = type;
      totals.push_back(total);
    }
    return totals;
  }

 private:
  std::map<std::string, TensorTypeTotal> by_type_;
};

Status InspectUnsupportedFile(ModelReport& report) {
  PC_ASSIGN_OR_RETURN(const auto file, GgufFile::Open(report.path));
  Totals totals;
  for (const GgufTensor& tensor : file->tensors()) {
    totals.Add(tensor.type, tensor.elements(), tensor.bytes.size());
  }
  report.types = totals.Take();
  const auto architecture = file->GetString("general.architecture");
  if (architecture.ok()) report.architecture = *architecture;
  return {};
}

Status InspectUnsupportedDirectory(ModelReport& report) {
  const std::string path = (fs::path(report.path) / "config.json").string();
  PC_ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  const std::string text(file->bytes().begin(), file->bytes().end());
  PC_ASSIGN_OR_RETURN(const JsonConfig config, JsonConfig::Parse(text, path));
  PC_ASSIGN_OR_RETURN(report.architecture, config.TextOr("model_type", ""));
  const auto shards = OpenSafetensors(report.path);
  if (!shards.ok()) return {};  // what the model is was told; its weights may be of any form
  Totals totals;
  for (const SafetensorsFile& shard : *shards) {
    for (const StoredTensor& tensor : shard.tensors) {
      totals.Add(tensor.type, static_cast<uint64_t>(tensor.elements()), tensor.bytes.size());
    }
  }
  report.types = totals.Take();
  return {};
}

Status InspectSupported(const Checkpoint& checkpoint, DigestSource source,
                        const HashProgress& progress, ModelReport& report) {
  report.name = checkpoint.name();
  report.config = checkpoint.config();
  report.architecture = checkpoint.config().architecture;
  Totals totals;
  for (const StoredTensor& tensor : checkpoint.tensors()) {
    totals.Add(tensor.type, static_cast<uint64_t>(tensor.elements()), tensor.bytes.size());
  }
  report.types = totals.Take();
  if (source == DigestSource::kVerified) {
    PC_RETURN_IF_ERROR(WeightsDigest(checkpoint, source, progress).status());
  }
  for (const char* dtype : {"fp32", "bf16"}) {
    PC_ASSIGN_OR_RETURN(Identity identity, IdentityOfModel(checkpoint, dtype, progress));
    report.identities.push_back(std::move(identity));
  }
  return {};
}

void InspectTexts(ModelReport& report) {
  const auto tokenizer = LoadTokenizerFile(report.path);
  report.tokenizer = tokenizer.ok()
                         ? std::to_string((*tokenizer)->vocabulary_size()) + " tokens, digest " +
                               (*tokenizer)->digest().ToHex().substr(0, 12)
                         : tokenizer.status().message();
  for (Identity& identity : report.identities) {
    if (tokenizer.ok()) identity.tokenizer = (*tokenizer)->digest().ToHex();
  }
  const auto source = ReadModelTemplate(report.path);
  const auto found = source.ok() ? FindChatTemplate("auto", *source)
                                 : Result<std::shared_ptr<const ChatTemplate>>(source.status());
  report.chat_template = found.ok() ? (*found)->name : found.status().message();
}

}  // namespace

uint64_t ModelReport::parameters() const {
  uint64_t sum = 0;
  for (const TensorTypeTotal& total : types) sum += total.elements;
  return sum;
}

uint64_t ModelReport::bytes() const {
  uint64_t sum = 0;
  for (const TensorTypeTotal& total : types) sum += total.bytes;
  return sum;
}

Result<ModelReport> InspectModel(const std::string& path, DigestSource source,
                                 const HashProgress& progress) {
  ModelReport report{.path = path};
  const auto checkpoint = Checkpoint::Open(path);
  if (checkpoint.ok()) {
    PC_RETURN_IF_ERROR(InspectSupported(**checkpoint, source, progress, report));
  } else {
    report.supported = checkpoint.status();
    if (report.supported.code() != Code::kUnimplemented) return report.supported;
    std::error_code ignored;
    PC_RETURN_IF_ERROR(fs::is_directory(path, ignored) ? InspectUnsupportedDirectory(report)
                                                       : InspectUnsupportedFile(report));
  }
  InspectTexts(report);
  return report;
}

}  // namespace promptcache

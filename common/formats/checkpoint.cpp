#include "common/formats/checkpoint.h"

#include <filesystem>
#include <utility>

#include "common/formats/architectures.h"

namespace promptcache {
namespace {

namespace fs = std::filesystem;

// "models/smollm2" for "models/smollm2/": a directory is named by its last part.
std::string StemOf(const std::string& path, bool directory) {
  const fs::path clean = fs::path(path).lexically_normal();
  const fs::path last = clean.has_filename() ? clean : clean.parent_path();
  return directory ? last.filename().string() : last.stem().string();
}

StoredTensor FromGguf(const GgufTensor& tensor) {
  StoredTensor stored{.name = tensor.name, .type = tensor.type, .sizes = {}, .bytes = tensor.bytes};
  stored.sizes.assign(tensor.dims.rbegin(), tensor.dims.rend());
  return stored;
}

}  // namespace

Result<std::shared_ptr<const Checkpoint>> Checkpoint::Open(const std::string& path) {
  std::shared_ptr<Checkpoint> checkpoint(new Checkpoint);
  checkpoint->path_ = path;
  std::error_code error;
  const bool directory = fs::is_directory(path, error);
  checkpoint->name_ = StemOf(path, directory);
  PC_RETURN_IF_ERROR(directory ? checkpoint->OpenDirectory() : checkpoint->OpenGguf());
  PC_RETURN_IF_ERROR(checkpoint->Index());
  return std::shared_ptr<const Checkpoint>(std::move(checkpoint));
}

Status Checkpoint::OpenGguf() {
  PC_ASSIGN_OR_RETURN(gguf_, GgufFile::Open(path_));
  PC_ASSIGN_OR_RETURN(config_, ReadGgufModel(*gguf_));
  const auto name = gguf_->GetString("general.name");
  if (name.ok() && !name->empty()) name_ = *name;
  for (const GgufTensor& tensor : gguf_->tensors()) tensors_.push_back(FromGguf(tensor));
  return {};
}

Status Checkpoint::OpenDirectory() {
  const std::string path = (fs::path(path_) / "config.json").string();
  PC_ASSIGN_OR_RETURN(config_file_, MappedFile::Open(path));
  const std::string_view text(reinterpret_cast<const char*>(config_file_->bytes().data()),
                              config_file_->bytes().size());
  PC_ASSIGN_OR_RETURN(const JsonConfig json, JsonConfig::Parse(text, path));
  PC_ASSIGN_OR_RETURN(JsonModel model, ReadJsonModel(json));
  config_ = std::move(model.config);
  PC_ASSIGN_OR_RETURN(shards_, OpenSafetensors(path_));
  for (const SafetensorsFile& shard : shards_) {
    for (const StoredTensor& stored : shard.tensors) {
      StoredTensor tensor = stored;
      tensor.name = CanonicalName(*model.architecture, stored.name);
      if (tensor.name != kIgnoredTensor) tensors_.push_back(std::move(tensor));
    }
  }
  return {};
}

Status Checkpoint::Index() {
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (index_.emplace(tensors_[i].name, i).second) continue;
    return InvalidArgument(path_ + ": tensor '" + tensors_[i].name + "' is there twice");
  }
  return {};
}

const StoredTensor* Checkpoint::FindTensor(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

std::vector<std::shared_ptr<const MappedFile>> Checkpoint::files() const {
  if (gguf_ != nullptr) return {gguf_->mapping()};
  std::vector<std::shared_ptr<const MappedFile>> files = {config_file_};
  for (const SafetensorsFile& shard : shards_) files.push_back(shard.file);
  return files;
}

}  // namespace promptcache

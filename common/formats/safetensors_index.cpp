// Directories: one file of tensors, or several and an index that says which tensor is in which.
#include <fmt/format.h>

#include <filesystem>
#include <map>

#include "common/formats/json_events.h"
#include "common/formats/safetensors.h"

namespace promptcache {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxIndexBytes = 64 << 20;
constexpr size_t kMaxShards = 4096;
constexpr char kSingleFile[] = "model.safetensors";
constexpr char kIndexFile[] = "model.safetensors.index.json";

Result<SafetensorsFile> OpenOne(const std::string& path) {
  SafetensorsFile opened;
  PC_ASSIGN_OR_RETURN(opened.file, MappedFile::Open(path));
  auto tensors = ParseSafetensors(opened.file->bytes());
  if (!tensors.ok()) return tensors.status().WithContext(path);
  opened.tensors = *std::move(tensors);
  return opened;
}

// Reads {"metadata": {...}, "weight_map": {"TENSOR": "FILE", ...}} and opens the files as they are
// named.
class IndexReader : public JsonEvents {
 public:
  explicit IndexReader(fs::path directory) : directory_(std::move(directory)) {}

  bool start_object(size_t /*elements*/) override {
    if (depth_ == 2 || (depth_ == 1 && part_ == Part::kNone)) return Unexpected("an object");
    ++depth_;
    return true;
  }

  bool key(std::string& name) override {
    if (depth_ == 2) {
      tensor_ = std::move(name);
      return true;
    }
    part_ = name == "weight_map" ? Part::kWeights
            : name == "metadata" ? Part::kMetadata
                                 : Part::kNone;
    return part_ != Part::kNone || Fail(InvalidArgument("the key '" + name + "' is not known"));
  }

  bool string(std::string& value) override {
    if (depth_ != 2) return Unexpected("a string");
    return part_ == Part::kMetadata || Assign(value);
  }
  // metadata holds sizes and the like.
  bool number_unsigned(uint64_t /*value*/) override {
    return InMetadata() || Unexpected("a number");
  }
  bool number_float(double /*value*/, const std::string& /*text*/) override {
    return InMetadata() || Unexpected("a number");
  }
  bool boolean(bool /*value*/) override { return InMetadata() || Unexpected("a boolean"); }

  bool end_object() override {
    --depth_;
    part_ = Part::kNone;
    return true;
  }

  // The files by name, once each tensor of theirs was named.
  Result<std::vector<SafetensorsFile>> Finish() {
    std::vector<SafetensorsFile> files;
    for (const auto& [tensor, entry] : entries_) {
      if (!entry.named) {
        return InvalidArgument(fmt::format("{} holds tensor '{}', which the index does not name",
                                           *entry.file, tensor));
      }
    }
    if (shards_.empty()) return InvalidArgument("weight_map names no file");
    for (auto& [name, shard] : shards_) files.push_back(std::move(shard));
    return files;
  }

 protected:
  std::string Place() const override {
    return depth_ == 2 ? "tensor '" + tensor_ + "'" : "the index";
  }

 private:
  enum class Part : uint8_t { kNone, kWeights, kMetadata };
  struct Entry {
    const std::string* file = nullptr;
    bool named = false;
  };

  bool InMetadata() const { return depth_ == 2 && part_ == Part::kMetadata; }

  // Tensor tensor_ is in `file`.
  bool Assign(const std::string& file) {
    if (!shards_.contains(file)) {
      if (Status fault = OpenShard(file); !fault.ok()) return Fail(std::move(fault));
    }
    const auto entry = entries_.find(tensor_);
    if (entry == entries_.end() || *entry->second.file != file) {
      return Fail(InvalidArgument(fmt::format("tensor '{}' is not in {}", tensor_, file)));
    }
    if (std::exchange(entry->second.named, true)) {
      return Fail(InvalidArgument(fmt::format("tensor '{}' is named twice", tensor_)));
    }
    return true;
  }

  Status OpenShard(const std::string& file) {
    if (!file.ends_with(".safetensors") ||
        file.find_first_of(std::string_view("/\0", 2)) != std::string::npos) {
      return InvalidArgument(
          fmt::format("tensor '{}' is in '{}', which is not a .safetensors file of this directory",
                      tensor_, file));
    }
    if (shards_.size() == kMaxShards) {
      return ResourceExhausted(fmt::format("more than {} files", kMaxShards));
    }
    PC_ASSIGN_OR_RETURN(SafetensorsFile opened, OpenOne(directory_ / file));
    const auto& [name, shard] = *shards_.emplace(file, std::move(opened)).first;
    for (const StoredTensor& tensor : shard.tensors) {
      const auto [entry, is_new] = entries_.emplace(tensor.name, Entry{&name, false});
      if (!is_new) {
        return InvalidArgument(
            fmt::format("tensor '{}' is in {} and in {}", tensor.name, *entry->second.file, name));
      }
    }
    return {};
  }

  const fs::path directory_;
  std::map<std::string, SafetensorsFile> shards_;
  std::map<std::string_view, Entry, std::less<>> entries_;  // all tensors of shards_
  int depth_ = 0;
  Part part_ = Part::kNone;
  std::string tensor_;
};

Result<std::vector<SafetensorsFile>> OpenIndexed(const fs::path& directory,
                                                 const std::string& index) {
  PC_ASSIGN_OR_RETURN(const auto file, MappedFile::Open(index));
  if (file->bytes().size() > kMaxIndexBytes) {
    return ResourceExhausted(fmt::format("{} has {} bytes, at most {} are read", index,
                                         file->bytes().size(), kMaxIndexBytes));
  }
  IndexReader reader(directory);
  const std::string_view json(reinterpret_cast<const char*>(file->bytes().data()),
                              file->bytes().size());
  if (Status fault = reader.Read(json); !fault.ok()) return fault.WithContext(index);
  auto files = reader.Finish();
  if (!files.ok()) return files.status().WithContext(index);
  return files;
}

}  // namespace

Result<std::vector<SafetensorsFile>> OpenSafetensors(const std::string& directory) {
  const fs::path folder(directory);
  std::error_code ignored;
  const fs::path index = folder / kIndexFile;
  if (fs::exists(index, ignored)) return OpenIndexed(folder, index);
  PC_ASSIGN_OR_RETURN(SafetensorsFile single, OpenOne(folder / kSingleFile));
  std::vector<SafetensorsFile> files;
  files.push_back(std::move(single));
  return files;
}

}  // namespace promptcache

// A model on disk: a GGUF file, or a Hugging Face directory (config.json and safetensors).
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/formats/gguf.h"
#include "common/formats/model_config.h"
#include "common/formats/safetensors.h"
#include "common/formats/stored_tensor.h"

namespace promptcache {

// Immutable; safe for concurrent use. Nothing but headers is read until a tensor's bytes are.
class Checkpoint {
 public:
  // Errors: those of the files' readers, and kUnimplemented saying what the model is and what is
  // supported. All name the file.
  static Result<std::shared_ptr<const Checkpoint>> Open(const std::string& path);

  const std::string& path() const { return path_; }  // as given; for messages
  const std::string& name() const { return name_; }  // general.name, else the stem of the path
  const ModelConfig& config() const { return config_; }

  // In the order of the file; names as GGUF spells them.
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  // nullptr when there is none.
  const StoredTensor* FindTensor(std::string_view name) const;

  // All files that decide the numbers, in a fixed order: what the digest of the weights is made of.
  std::vector<std::shared_ptr<const MappedFile>> files() const;
  // The file's metadata when it is a GGUF file, else null.
  const GgufFile* gguf() const { return gguf_.get(); }

 private:
  Checkpoint() = default;
  Status OpenGguf();
  Status OpenDirectory();
  Status Index();

  std::string path_;
  std::string name_;
  ModelConfig config_;
  std::vector<StoredTensor> tensors_;
  std::map<std::string_view, size_t> index_;
  std::shared_ptr<const GgufFile> gguf_;
  // Of a directory.
  std::shared_ptr<const MappedFile> config_file_;
  std::vector<SafetensorsFile> shards_;
};

}  // namespace promptcache

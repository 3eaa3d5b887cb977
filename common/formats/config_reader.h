// The metadata of a model file as typed values, whatever the format.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/formats/gguf.h"
#include "common/status.h"

namespace promptcache {

// Every error names the file and the key. "Or": what an absent key (or null) means.
class ConfigReader {
 public:
  virtual ~ConfigReader() = default;

  virtual bool Has(std::string_view key) const = 0;
  // A whole number from 1 to `max`.
  Result<int64_t> Size(std::string_view key, int64_t max) const;
  Result<int64_t> SizeOr(std::string_view key, int64_t max, int64_t absent) const;
  // A finite number above 0.
  Result<double> Positive(std::string_view key) const;
  Result<double> PositiveOr(std::string_view key, double absent) const;
  // Any finite number.
  Result<double> NumberOr(std::string_view key, double absent) const;
  Result<bool> FlagOr(std::string_view key, bool absent) const;
  Result<std::string> TextOr(std::string_view key, std::string_view absent) const;
  // kInvalidArgument "FILE: 'KEY' WHAT".
  Status Wrong(std::string_view key, std::string_view what) const;
  // kInvalidArgument "FILE: WHAT", for values that contradict each other.
  Status Contradiction(std::string_view what) const;
  // kUnimplemented "FILE: 'KEY' WHAT".
  Status Unsupported(std::string_view key, std::string_view what) const;

 protected:
  // Call only for keys that are there; kInvalidArgument for another type.
  virtual Result<int64_t> GetInteger(std::string_view key) const = 0;
  virtual Result<double> GetNumber(std::string_view key) const = 0;
  virtual Result<bool> GetFlag(std::string_view key) const = 0;
  virtual Result<std::string> GetText(std::string_view key) const = 0;
  virtual std::string Where() const = 0;                     // "FILE"
  virtual std::string Name(std::string_view key) const = 0;  // "FILE: 'KEY'"
};

// The keys under "<architecture>." of a GGUF file.
class GgufConfig : public ConfigReader {
 public:
  // The file outlives the reader.
  GgufConfig(const GgufFile& file, std::string architecture)
      : file_(file), architecture_(std::move(architecture)) {}

  const GgufFile& file() const { return file_; }
  const std::string& architecture() const { return architecture_; }
  bool Has(std::string_view key) const override;
  bool HasTensor(std::string_view name) const { return file_.FindTensor(name) != nullptr; }

 protected:
  Result<int64_t> GetInteger(std::string_view key) const override;
  Result<double> GetNumber(std::string_view key) const override;
  Result<bool> GetFlag(std::string_view key) const override;
  Result<std::string> GetText(std::string_view key) const override;
  std::string Where() const override { return file_.name(); }
  std::string Name(std::string_view key) const override;

 private:
  std::string Full(std::string_view key) const { return architecture_ + "." + std::string(key); }

  const GgufFile& file_;
  const std::string architecture_;
};

// An object of a Hugging Face config.json.
class JsonConfig : public ConfigReader {
 public:
  // kInvalidArgument unless `json` is an object; at most 1 MiB. `name` is for messages.
  static Result<JsonConfig> Parse(std::string_view json, const std::string& name);

  bool Has(std::string_view key) const override;
  bool IsText(std::string_view key) const;
  // An object below this one; empty when it is absent or null.
  Result<JsonConfig> Object(std::string_view key) const;
  // The first of `keys` that is there, else the last: files of different age spell names
  // differently.
  static std::string_view Spelling(const ConfigReader& config,
                                   std::initializer_list<std::string_view> keys);

 protected:
  Result<int64_t> GetInteger(std::string_view key) const override;
  Result<double> GetNumber(std::string_view key) const override;
  Result<bool> GetFlag(std::string_view key) const override;
  Result<std::string> GetText(std::string_view key) const override;
  std::string Where() const override { return name_; }
  std::string Name(std::string_view key) const override;

 private:
  JsonConfig(std::shared_ptr<const nlohmann::json> root, const nlohmann::json* object,
             std::string name)
      : root_(std::move(root)), object_(object), name_(std::move(name)) {}

  std::shared_ptr<const nlohmann::json> root_;
  const nlohmann::json* object_;
  std::string name_;
};

}  // namespace promptcache

// A file mapped read-only.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "common/status.h"

namespace promptcache {

// Tells one state of a file from another: it changes with the bytes, and when other bytes take the
// name. Times in nanoseconds since 1970.
struct FileStamp {
  uint64_t size = 0;
  int64_t modified_ns = 0;
  int64_t changed_ns = 0;  // bytes, name, owner or mode; no program sets it back
  uint64_t inode = 0;
  uint64_t device = 0;

  bool operator==(const FileStamp&) const = default;
};
// Of the file that has this name now. kNotFound.
Result<FileStamp> StampOf(const std::string& path);

// Immutable; safe to read from any thread. The bytes live as long as the object.
class MappedFile {
 public:
  // kNotFound when the file cannot be opened, kInvalidArgument when it is empty or no regular file.
  static Result<std::shared_ptr<const MappedFile>> Open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  std::span<const uint8_t> bytes() const { return bytes_; }
  const FileStamp& stamp() const { return stamp_; }  // when it was mapped

 private:
  MappedFile(std::string path, std::span<const uint8_t> bytes, const FileStamp& stamp)
      : path_(std::move(path)), bytes_(bytes), stamp_(stamp) {}

  const std::string path_;
  const std::span<const uint8_t> bytes_;
  const FileStamp stamp_;
};

}  // namespace promptcache

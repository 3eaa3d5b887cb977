// The digest of a large file, kept in a small one beside it. Internal to common/formats.
//
// The record of FILE is FILE.promptcache-digest, seven lines of text:
//
//   promptcache-digest 1
//   size 101
//   modified_ns 1767225600123456789
//   changed_ns 1767225600123456789
//   file 2049 131074                  device and inode
//   blake2b-256 <64 hexadecimal digits>
//   check <16 hexadecimal digits>     the first of BLAKE2b-256 of the lines before
//
// It counts only when it is, byte for byte, what would be written for the file as it is now.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "common/formats/mapped_file.h"
#include "common/formats/model_identity.h"

namespace promptcache {

std::string DigestRecordPath(const std::string& path);
std::string DigestRecordText(const FileStamp& stamp, const std::string& digest);
// The digest that the record of `path` gives for this stamp. nullopt when there is none, it is of
// another state of the file, or it belongs to someone other than this user, root or the file's
// owner.
std::optional<std::string> ReadDigestRecord(const std::string& path, const FileStamp& stamp);
// Replaces the record in one step; does nothing where that cannot be.
void WriteDigestRecord(const std::string& path, const FileStamp& stamp, const std::string& digest);

// Hex BLAKE2b-256 of the file, from its record or hashed. `now_ns`: a file that was changed less
// than two seconds ago gets no record, for its times may not tell the next change. kUnavailable
// when the file that has the name is not, or no longer, in the state in which it was mapped.
Result<std::string> FileDigest(const MappedFile& file, DigestSource source, int64_t now_ns,
                               const std::function<void(uint64_t done)>& progress);

}  // namespace promptcache

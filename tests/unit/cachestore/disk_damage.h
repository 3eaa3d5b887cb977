// Damage behind the back of a store on disk, while it is closed.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "cachestore/disk/disk_core.h"

namespace promptcache::testing {

inline internal::Manifest ManifestOf(const internal::Database& database, const UnitKey& key) {
  return internal::DecodeManifest(key, database.GetMeta(internal::ManifestKey(key)).value())
      .value();
}

// The table file of a blob.
inline std::string FileOf(const internal::Database& database, const internal::Manifest& manifest) {
  return internal::OwnFiles(database.DataFiles()).at(manifest.generation).path;
}

inline void FlipByte(const std::string& file, uint64_t offset) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(offset));
  const int byte = stream.get();
  stream.seekp(static_cast<std::streamoff>(offset));
  stream.put(static_cast<char>(byte ^ 0x20));
  ASSERT_TRUE(stream.good()) << file;
}

// Flips a byte of a stored chunk.
inline void DamageChunk(const std::string& directory, const UnitKey& key, size_t chunk) {
  const auto database = internal::Database::Open({.directory = directory}).value();
  const internal::Manifest manifest = ManifestOf(*database, key);
  FlipByte(FileOf(*database, manifest), manifest.chunks.at(chunk).file_offset + 1000);
}

// Flips the first byte of each place in the tables of records (not of blobs) where `text` stands.
// Returns how many there were.
inline int DamageRecords(const std::string& directory, const std::string& text) {
  std::vector<rocksdb::LiveFileMetaData> files;
  internal::Database::Open({.directory = directory}).value()->db().GetLiveFilesMetaData(&files);
  int places = 0;
  for (const rocksdb::LiveFileMetaData& file : files) {
    if (file.column_family_name == "data") continue;
    const std::string path = directory + file.name;
    std::ifstream stream(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
    for (size_t at = bytes.find(text); at != std::string::npos; at = bytes.find(text, at + 1)) {
      FlipByte(path, at);
      ++places;
    }
  }
  return places;
}

}  // namespace promptcache::testing

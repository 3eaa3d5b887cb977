#include "cachestore/pack/contents.h"

#include "cachestore/format/blob_io.h"

namespace promptcache {
namespace {

Result<Content> ContentOf(BlobStore& store, const UnitKey& key) {
  PC_ASSIGN_OR_RETURN(const auto reader, store.Inspect(key));
  PC_ASSIGN_OR_RETURN(const BlobHeader header, ReadBlobHeader(*reader));
  return Content{.key = key, .states = StatesDigest(header)};
}

}  // namespace

Result<std::vector<Content>> ContentsOf(BlobStore& store) {
  PC_ASSIGN_OR_RETURN(const std::vector<BlobInfo> blobs, ListAll(store));
  std::vector<Content> contents;
  for (const BlobInfo& blob : blobs) {
    const Result<Content> content = ContentOf(store, blob.key);
    if (content.status().code() == Code::kNotFound) continue;
    if (!content.ok()) return content.status().WithContext("unit " + blob.key.ToHex());
    contents.push_back(*content);
  }
  return contents;
}

std::vector<Content> ContentsOf(const PackManifest& manifest) {
  std::vector<Content> contents;
  for (const PackBlob& blob : manifest.blobs) contents.push_back({blob.key, blob.states});
  return contents;
}

ContentDifference DiffContents(const std::vector<Content>& left,
                               const std::vector<Content>& right) {
  ContentDifference difference;
  auto l = left.begin();
  auto r = right.begin();
  while (l != left.end() || r != right.end()) {
    if (r == right.end() || (l != left.end() && l->key < r->key)) {
      difference.only_left.push_back((l++)->key);
    } else if (l == left.end() || r->key < l->key) {
      difference.only_right.push_back((r++)->key);
    } else {
      if (l->states == r->states) {
        ++difference.same;
      } else {
        difference.other_states.push_back(l->key);
      }
      ++l;
      ++r;
    }
  }
  return difference;
}

}  // namespace promptcache

// BlobHeader to bytes and back: the only place that knows the FlatBuffer.
#include <cstring>
#include <string>

#include "cachestore/format/blob.h"
#include "cachestore/format/blob_prefix.h"
#include "schemas/wire/blob_generated.h"

namespace promptcache {
namespace {

using internal::BlobPrefix;

flatbuffers::Offset<blob::Identity> BuildIdentity(flatbuffers::FlatBufferBuilder& builder,
                                                  const Identity& identity) {
  const auto weights = builder.CreateString(identity.weights);
  const auto tokenizer = builder.CreateString(identity.tokenizer);
  const auto positions = builder.CreateString(identity.positions);
  const auto dtype = builder.CreateString(identity.dtype);
  const auto kv_layout = builder.CreateString(identity.kv_layout);
  const auto encoder = builder.CreateString(identity.encoder);
  return blob::CreateIdentity(builder, weights, tokenizer, positions, dtype, kv_layout, encoder);
}

flatbuffers::Offset<flatbuffers::Vector<const blob::RowRange*>> BuildRanges(
    flatbuffers::FlatBufferBuilder& builder, const std::vector<RowRange>& in) {
  std::vector<blob::RowRange> ranges;
  for (const RowRange& range : in) ranges.emplace_back(range.first, range.rows);
  return builder.CreateVectorOfStructs(ranges);
}

// None without an encoding.
flatbuffers::Offset<flatbuffers::Vector<const blob::Hash*>> BuildPlainHashes(
    flatbuffers::FlatBufferBuilder& builder, const BlobHeader& header) {
  if (header.encoding == BlobEncoding::kPlain) return 0;
  std::vector<blob::Hash> hashes;
  for (const BlobSegment& s : header.segments) {
    hashes.emplace_back(s.plain_hash.low, s.plain_hash.high);
  }
  return builder.CreateVectorOfStructs(hashes);
}

// Segments as they are stored: offsets from `data_offset`. Their values do not change the size.
std::vector<uint8_t> BuildHeader(const BlobHeader& header) {
  flatbuffers::FlatBufferBuilder builder;
  std::vector<blob::Segment> segments;
  for (const BlobSegment& s : header.segments) {
    segments.emplace_back(s.offset - header.data_offset, s.length,
                          blob::Hash(s.hash.low, s.hash.high));
  }
  const auto identity = BuildIdentity(builder, header.identity);
  const auto context_ids = builder.CreateVector(header.recipe.context.ids);
  const auto context_positions = builder.CreateVector(header.recipe.context.positions);
  const auto own_ids = builder.CreateVector(header.recipe.own.ids);
  const auto own_positions = builder.CreateVector(header.recipe.own.positions);
  const auto hidden = BuildRanges(builder, header.recipe.hidden);
  const auto layout = builder.CreateString(header.identity.kv_layout);
  const auto places = builder.CreateVectorOfStructs(segments);
  const auto plain_hashes = BuildPlainHashes(builder, header);
  const blob::Digest digest(header.recipe_digest.bytes);

  blob::HeaderBuilder fields(builder);
  fields.add_identity(identity);
  fields.add_recipe(&digest);
  fields.add_mode(static_cast<uint8_t>(header.recipe.mode));
  fields.add_context_ids(context_ids);
  fields.add_context_positions(context_positions);
  fields.add_own_ids(own_ids);
  fields.add_own_positions(own_positions);
  fields.add_dtype(static_cast<uint8_t>(header.dtype));
  fields.add_layout(layout);
  fields.add_layers(header.shape.layers);
  fields.add_kv_heads(header.shape.kv_heads);
  fields.add_tokens(header.shape.tokens);
  fields.add_head_dim(header.shape.head_dim);
  fields.add_encode_seconds(header.encode_seconds);
  fields.add_segments(places);
  fields.add_hidden(hidden);
  fields.add_encoding(static_cast<uint8_t>(header.encoding));
  fields.add_plain_hashes(plain_hashes);
  blob::FinishHeaderBuffer(builder, fields.Finish());
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

// The verifier does not look at the alignment of vector elements.
template <typename T>
bool IsAligned(const T* element, size_t alignment) {
  return reinterpret_cast<uintptr_t>(element) % alignment == 0;
}

bool IsAligned(const blob::Header& h) {
  for (const auto* ids : {h.context_ids(), h.context_positions(), h.own_ids(), h.own_positions()}) {
    if (!IsAligned(ids->data(), alignof(int32_t))) return false;
  }
  if (h.hidden() != nullptr && !IsAligned(h.hidden()->Data(), alignof(uint32_t))) return false;
  const auto* hashes = h.plain_hashes();
  if (hashes != nullptr && !IsAligned(hashes->Data(), alignof(uint64_t))) return false;
  return IsAligned(h.segments()->Data(), alignof(uint64_t)) && IsAligned(h.recipe(), 1);
}

Identity ReadIdentity(const blob::Identity& identity) {
  return {.weights = identity.weights()->str(),
          .tokenizer = identity.tokenizer()->str(),
          .positions = identity.positions()->str(),
          .dtype = identity.dtype()->str(),
          .kv_layout = identity.kv_layout()->str(),
          .encoder = identity.encoder()->str()};
}

std::vector<int32_t> ReadInts(const flatbuffers::Vector<int32_t>& values) {
  return {values.begin(), values.end()};
}

std::vector<RowRange> ReadRanges(const flatbuffers::Vector<const blob::RowRange*>* in) {
  std::vector<RowRange> ranges;
  if (in == nullptr) return ranges;  // version 1
  for (const blob::RowRange* range : *in) ranges.push_back({range->first(), range->rows()});
  return ranges;
}

Hash128 ReadHash(const blob::Hash& hash) { return {.low = hash.low(), .high = hash.high()}; }

// REQUIRES: HasPlainHashesForItsEncoding.
std::vector<BlobSegment> ReadSegments(const blob::Header& in, uint64_t data_offset) {
  std::vector<BlobSegment> segments;
  for (const blob::Segment* s : *in.segments()) {
    const auto index = static_cast<uint32_t>(segments.size());
    segments.push_back(
        {.offset = data_offset + s->offset(),
         .length = s->length(),
         .hash = ReadHash(s->hash()),
         .plain_hash = ReadHash(in.encoding() == 0 ? s->hash() : *in.plain_hashes()->Get(index))});
  }
  return segments;
}

bool HasPlainHashesForItsEncoding(const blob::Header& in) {
  const size_t hashes = in.plain_hashes() == nullptr ? 0 : in.plain_hashes()->size();
  return hashes == (in.encoding() == 0 ? 0 : in.segments()->size());
}

BlobHeader ReadHeader(const blob::Header& in, const BlobPrefix& prefix) {
  BlobHeader header;
  header.identity = ReadIdentity(*in.identity());
  header.recipe.mode = static_cast<EncodingMode>(in.mode());
  header.recipe.context = {ReadInts(*in.context_ids()), ReadInts(*in.context_positions())};
  header.recipe.own = {ReadInts(*in.own_ids()), ReadInts(*in.own_positions())};
  header.recipe.hidden = ReadRanges(in.hidden());
  std::memcpy(header.recipe_digest.bytes.data(), in.recipe()->bytes()->data(), 32);
  header.dtype = static_cast<BlobDtype>(in.dtype());
  header.shape = {in.layers(), in.kv_heads(), in.tokens(), in.head_dim()};
  header.encode_seconds = in.encode_seconds();
  header.encoding = static_cast<BlobEncoding>(in.encoding());
  header.segments = ReadSegments(in, prefix.data_offset);
  header.data_offset = prefix.data_offset;
  header.total_bytes = prefix.total_bytes;
  return header;
}

// Segments can be at one place only, so that checking the places means comparing them with it.
Status CheckPlaces(const BlobHeader& header, const BlobPrefix& prefix) {
  BlobHeader expected = header;
  PC_RETURN_IF_ERROR(internal::PlaceSegments(prefix.header_bytes, expected));
  if (expected.total_bytes != header.total_bytes) {
    return InvalidArgument("blob: the prefix says " + std::to_string(header.total_bytes) +
                           " bytes, the shape " + std::to_string(expected.total_bytes));
  }
  if (expected.segments != header.segments) {
    return InvalidArgument("blob: a layer is not where the shape puts it");
  }
  return {};
}

// What a recipe was called in version 1, when all own tokens were rows.
RecipeDigest DigestOfVersion1(const Recipe& recipe) {
  return Blake2b()
      .AddString("promptcache recipe 1")
      .AddU32(static_cast<uint32_t>(recipe.mode))
      .AddI32s(recipe.context.ids)
      .AddI32s(recipe.context.positions)
      .AddI32s(recipe.own.ids)
      .AddI32s(recipe.own.positions)
      .Finish();
}

Status CheckHeader(const BlobHeader& header, const BlobPrefix& prefix) {
  PC_RETURN_IF_ERROR(internal::ValidateBlobHeader(header));
  if ((prefix.version == 3) != (internal::BlobVersionOf(header) == 3)) {
    return InvalidArgument("blob: encoding " + std::string(BlobEncodingName(header.encoding)) +
                           " of layout " + header.identity.kv_layout +
                           " is not written as version " + std::to_string(prefix.version));
  }
  if (prefix.version == 1 && !header.recipe.hidden.empty()) {
    return InvalidArgument("blob: hidden tokens, which version 1 does not have");
  }
  const RecipeDigest digest =
      prefix.version == 1 ? DigestOfVersion1(header.recipe) : header.recipe.Digest();
  if (digest != header.recipe_digest) {
    return InvalidArgument("blob: the recipe does not have the digest that the header names");
  }
  return CheckPlaces(header, prefix);
}

}  // namespace

Result<BlobHeader> ParseBlobHeader(std::span<const uint8_t> bytes) {
  PC_ASSIGN_OR_RETURN(const BlobPrefix prefix, internal::ParseBlobPrefix(bytes));
  if (bytes.size() - kBlobPrefixBytes < prefix.header_bytes) {
    return DataLoss("blob: the header is cut short");
  }
  const auto raw = bytes.subspan(kBlobPrefixBytes, prefix.header_bytes);
  if (Xxh3_128(raw) != prefix.header_hash) return DataLoss("blob: the header fails its checksum");

  const std::vector<uint8_t> aligned(raw.begin(), raw.end());
  flatbuffers::Verifier verifier(aligned.data(), aligned.size(), /*max_depth=*/8,
                                 /*max_tables=*/16);
  if (!blob::VerifyHeaderBuffer(verifier)) return DataLoss("blob: the header is malformed");
  const blob::Header& in = *blob::GetHeader(aligned.data());
  if (!IsAligned(in)) return DataLoss("blob: the header is malformed (alignment)");
  if (in.layout()->string_view() != in.identity()->kv_layout()->string_view()) {
    return DataLoss("blob: layout " + in.layout()->str() + ", its identity names " +
                    in.identity()->kv_layout()->str());
  }
  if (!HasPlainHashesForItsEncoding(in)) {
    return DataLoss("blob: the header is malformed (plain hashes)");
  }
  BlobHeader header = ReadHeader(in, prefix);
  if (const Status status = CheckHeader(header, prefix); !status.ok()) {
    return DataLoss(status.message());
  }
  return header;
}

Result<std::vector<uint8_t>> EncodeBlobHeader(BlobHeader& header) {
  PC_RETURN_IF_ERROR(internal::ValidateBlobHeader(header));
  header.recipe_digest = header.recipe.Digest();
  if (header.encoding == BlobEncoding::kPlain) {
    for (BlobSegment& segment : header.segments) segment.plain_hash = segment.hash;
  }
  const uint64_t header_bytes = BuildHeader(header).size();
  if (header_bytes > kMaxBlobHeaderBytes) {
    return InvalidArgument("blob: a header of " + std::to_string(header_bytes) + " bytes, limit " +
                           std::to_string(kMaxBlobHeaderBytes));
  }
  PC_RETURN_IF_ERROR(internal::PlaceSegments(header_bytes, header));
  const std::vector<uint8_t> raw = BuildHeader(header);
  const auto prefix = internal::EncodeBlobPrefix({.version = internal::BlobVersionOf(header),
                                                  .header_bytes = raw.size(),
                                                  .data_offset = header.data_offset,
                                                  .total_bytes = header.total_bytes,
                                                  .header_hash = Xxh3_128(raw)});
  std::vector<uint8_t> bytes(header.data_offset);
  std::copy(prefix.begin(), prefix.end(), bytes.begin());
  std::copy(raw.begin(), raw.end(), bytes.begin() + kBlobPrefixBytes);
  return bytes;
}

}  // namespace promptcache

#include "cachestore/format/record_bytes.h"

namespace promptcache::internal {
namespace {

constexpr size_t kChecksumBytes = 16;

Hash128 ChecksumOf(std::string_view bytes) {
  return Xxh3_128({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

constexpr std::string Identity::*kFields[] = {&Identity::weights,   &Identity::tokenizer,
                                              &Identity::positions, &Identity::dtype,
                                              &Identity::kv_layout, &Identity::encoder};

}  // namespace

void RecordWriter::Fields(const Identity& identity) {
  for (const auto field : kFields) Text(identity.*field);
}

Identity RecordReader::Fields() {
  Identity identity;
  for (const auto field : kFields) identity.*field = Text();
  return identity;
}

std::string RecordWriter::Finish() {
  Hash(ChecksumOf(out_));
  return std::move(out_);
}

Result<RecordReader> RecordReader::Checked(std::string_view record, const std::string& where) {
  if (record.size() < kChecksumBytes) return DataLoss(where + "cut short");
  const std::string_view body = record.substr(0, record.size() - kChecksumBytes);
  if (RecordReader(record.substr(body.size())).Hash() != ChecksumOf(body)) {
    return DataLoss(where + "fails its checksum");
  }
  return RecordReader(body);
}

std::string_view RecordReader::Take(size_t count) {
  if (count > rest_.size()) {
    good_ = false;
    rest_ = {};
    return {};
  }
  const std::string_view taken = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return taken;
}

}  // namespace promptcache::internal

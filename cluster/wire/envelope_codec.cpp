#include <array>

#include "cluster/wire/bodies.h"
#include "cluster/wire/codec.h"
#include "schemas/wire/access.h"

namespace promptcache {
namespace {

// A message was added or removed: append it to the schema's union and to PC_WIRE_BODIES too, and
// see WIRE.md ("Growing") whether the version rises.
static_assert(kWireVersion == 1 && std::variant_size_v<Message> == 61);
static_assert(static_cast<size_t>(wire::Body::MAX) == std::variant_size_v<Message>);

constexpr size_t kMinBytes = 16;
constexpr size_t kMaxBytes = 256 << 20;  // the transport's limits are lower
constexpr uint32_t kMaxDepth = 16;
constexpr uint32_t kMaxTables = 1 << 20;

template <typename WireBody, typename Body>
Message ReadAs(wire::Reader& reader, const void* table) {
  Body body;
  ReadBody(reader, *static_cast<const WireBody*>(table), &body);
  return body;
}

struct BodyType {
  const char* name;
  Message (*read)(wire::Reader& reader, const void* table);
};

#define PC_ROW(name) BodyType{#name, &ReadAs<wire::name, name>},
constexpr BodyType kBodyTypes[] = {PC_WIRE_BODIES(PC_ROW)};
#undef PC_ROW
static_assert(std::size(kBodyTypes) == std::variant_size_v<Message>);

template <typename WireBody, typename Body>
constexpr bool IsAtSamePlace() {
  constexpr auto type = static_cast<size_t>(wire::BodyTraits<WireBody>::enum_value);
  return std::is_same_v<std::variant_alternative_t<type - 1, Message>, Body>;
}
#define PC_CHECK(name) static_assert(IsAtSamePlace<wire::name, name>());
PC_WIRE_BODIES(PC_CHECK)
#undef PC_CHECK

// "SchemaAdd" -> "schema_add"
std::string SnakeCase(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool upper = c >= 'A' && c <= 'Z';
    if (upper && !out.empty()) out += '_';
    out += upper ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

Result<const wire::Envelope*> Verify(std::span<const uint8_t> bytes) {
  if (!flatbuffers::BufferHasIdentifier(bytes.data(), wire::EnvelopeIdentifier())) {
    return InvalidArgument("not a message of this protocol: the file identifier is wrong");
  }
  flatbuffers::Verifier verifier(bytes.data(), bytes.size(), kMaxDepth, kMaxTables);
  if (!wire::VerifyEnvelopeBuffer(verifier)) {
    return InvalidArgument("a message of " + std::to_string(bytes.size()) +
                           " bytes is damaged: its offsets do not verify");
  }
  const wire::Envelope* envelope = wire::GetEnvelope(bytes.data());
  if (envelope->version() != kWireVersion) {
    return InvalidArgument("message version " + std::to_string(envelope->version()) +
                           " is not spoken here, only " + std::to_string(kWireVersion));
  }
  const auto type = static_cast<size_t>(envelope->body_type());
  if (type == 0 || type > std::size(kBodyTypes) || envelope->body() == nullptr) {
    return InvalidArgument("message type " + std::to_string(type) + " is unknown or has no body");
  }
  if (envelope->request_id() == nullptr) return InvalidArgument("a message has no request id");
  return envelope;
}

}  // namespace

std::vector<uint8_t> EncodeEnvelope(const Envelope& envelope) {
  wire::Writer writer;
  const auto trace = writer.Text(envelope.trace);
  const uint32_t body =
      std::visit([&](const auto& message) { return WriteBody(writer, message); }, envelope.body);
  const auto& id = envelope.request_id.bytes;
  const wire::RequestId request_id(flatbuffers::span<const uint8_t, 16>(id.data(), id.size()));
  const auto type = static_cast<wire::Body>(envelope.body.index() + 1);
  wire::FinishEnvelopeBuffer(
      writer.builder(),
      wire::CreateEnvelope(writer.builder(), kWireVersion, &request_id, envelope.attempt,
                           envelope.timeout_ms, trace, type, body));
  const uint8_t* data = writer.builder().GetBufferPointer();
  return {data, data + writer.builder().GetSize()};
}

Result<Envelope> DecodeEnvelope(std::span<const uint8_t> bytes) {
  if (bytes.size() < kMinBytes || bytes.size() > kMaxBytes) {
    return InvalidArgument("a message of " + std::to_string(bytes.size()) +
                           " bytes is outside the limits");
  }
  // Frames come at any alignment; the allocator's suits every field.
  std::vector<uint8_t> aligned;
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(uint64_t) != 0) {
    aligned.assign(bytes.begin(), bytes.end());
    bytes = aligned;
  }
  PC_ASSIGN_OR_RETURN(const wire::Envelope* in, Verify(bytes));
  wire::Reader reader(bytes.size());
  Envelope out;
  std::memcpy(out.request_id.bytes.data(), in->request_id(), out.request_id.bytes.size());
  out.attempt = in->attempt();
  out.timeout_ms = in->timeout_ms();
  out.trace = reader.Name(in->trace(), "trace");
  const size_t index = static_cast<size_t>(in->body_type()) - 1;
  if (index >= std::size(kBodyTypes)) return Internal("a message of no type was verified");
  const BodyType& type = kBodyTypes[index];
  out.body = type.read(reader, in->body());
  if (reader.failed()) return InvalidArgument(SnakeCase(type.name) + ": " + reader.error());
  return out;
}

std::string_view MessageName(const Message& message) {
  static const auto* const names = [] {
    auto* all = new std::array<std::string, std::size(kBodyTypes)>();
    for (size_t i = 0; i < all->size(); ++i) (*all)[i] = SnakeCase(kBodyTypes[i].name);
    return all;
  }();
  return message.valueless_by_exception() ? "none" : std::string_view((*names)[message.index()]);
}

}  // namespace promptcache

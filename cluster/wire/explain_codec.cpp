// What happened to requests.
#include "cluster/wire/bodies.h"
#include "schemas/wire/access.h"

namespace promptcache {

using flatbuffers::Offset;
using wire::Reader;
using wire::Writer;

namespace {

Offset<wire::RouteReport> WriteRoute(Writer& writer, const RouteReport& in) {
  const auto worker = writer.Text(in.worker);
  return wire::CreateRouteReport(writer.builder(), worker, in.room, in.full, in.device_tokens,
                                 in.wait_s, in.work_s, in.congestion_s, in.displacement_s, in.kv_s,
                                 in.tie_s, in.total);
}

RouteReport ReadRoute(Reader& reader, const wire::RouteReport* in) {
  return {.worker = reader.Text(in->worker()),
          .room = in->room(),
          .full = in->full(),
          .device_tokens = in->device_tokens(),
          .wait_s = reader.Finite(in->wait_s(), "route wait_s"),
          .work_s = reader.Finite(in->work_s(), "route work_s"),
          .congestion_s = reader.Finite(in->congestion_s(), "route congestion_s"),
          .displacement_s = reader.Finite(in->displacement_s(), "route displacement_s"),
          .kv_s = reader.Finite(in->kv_s(), "route kv_s"),
          .tie_s = reader.Finite(in->tie_s(), "route tie_s"),
          .total = reader.Finite(in->total(), "route total")};
}

Offset<wire::AttemptReport> WriteAttempt(Writer& writer, const AttemptReport& in) {
  const auto worker = writer.Text(in.worker);
  const auto end = writer.Text(in.end);
  const auto routes = writer.Tables<wire::RouteReport>(
      in.routes, [&](const RouteReport& route) { return WriteRoute(writer, route); });
  return wire::CreateAttemptReport(writer.builder(), in.attempt, worker, in.given_ms, end, routes);
}

AttemptReport ReadAttempt(Reader& reader, const wire::AttemptReport* in) {
  return {.attempt = in->attempt(),
          .worker = reader.Text(in->worker()),
          .given_ms = reader.Finite(in->given_ms(), "attempt given_ms"),
          .end = reader.Text(in->end()),
          .routes = reader.Tables<RouteReport>(
              in->routes(), "routes",
              [&](const wire::RouteReport* route) { return ReadRoute(reader, route); })};
}

Offset<wire::RequestReport> WriteReport(Writer& writer, const RequestReport& in) {
  const wire::RequestId id = wire::ToWire(in.id);
  const auto trace = writer.Text(in.trace);
  const auto client = writer.Text(in.client);
  const auto tenant = writer.Text(in.tenant);
  const auto schema = writer.Text(in.schema);
  const auto version = writer.Text(in.version);
  const auto message = writer.Text(in.message);
  const auto attempts = writer.Tables<wire::AttemptReport>(
      in.attempts, [&](const AttemptReport& attempt) { return WriteAttempt(writer, attempt); });
  const auto usage = WriteUsage(writer, in.usage);
  return wire::CreateRequestReport(writer.builder(), &id, trace, client, tenant, schema, version,
                                   in.received_unix_ms, in.planned_ms, in.first_token_ms,
                                   in.ended_ms, static_cast<wire::Code>(in.code), message, attempts,
                                   usage);
}

RequestReport ReadReport(Reader& reader, const wire::RequestReport* in) {
  if (reader.Need(in->id(), "request id") == nullptr) return {};
  return {.id = wire::FromWire<RequestId>(*in->id()),
          .trace = reader.Text(in->trace()),
          .client = reader.Text(in->client()),
          .tenant = reader.Text(in->tenant()),
          .schema = reader.Text(in->schema()),
          .version = reader.Text(in->version()),
          .received_unix_ms = in->received_unix_ms(),
          .planned_ms = reader.Finite(in->planned_ms(), "request planned_ms"),
          .first_token_ms = reader.Finite(in->first_token_ms(), "request first_token_ms"),
          .ended_ms = reader.Finite(in->ended_ms(), "request ended_ms"),
          .code = reader.Enum<Code>(in->code(), {Code::kOk, Code::kInternal}, "request code"),
          .message = reader.Text(in->message()),
          .attempts = reader.Tables<AttemptReport>(
              in->attempts(), "attempts",
              [&](const wire::AttemptReport* attempt) { return ReadAttempt(reader, attempt); }),
          .usage = ReadUsage(reader, in->usage())};
}

}  // namespace

uint32_t WriteBody(Writer& writer, const ExplainQuery& in) {
  if (!in.request) return wire::CreateExplainQuery(writer.builder()).o;
  const wire::RequestId id = wire::ToWire(*in.request);
  return wire::CreateExplainQuery(writer.builder(), &id).o;
}
void ReadBody(Reader&, const wire::ExplainQuery& in, ExplainQuery* out) {
  if (in.request() != nullptr) out->request = wire::FromWire<RequestId>(*in.request());
}

uint32_t WriteBody(Writer& writer, const ExplainReply& in) {
  const auto requests = writer.Tables<wire::RequestReport>(
      in.requests, [&](const RequestReport& request) { return WriteReport(writer, request); });
  return wire::CreateExplainReply(writer.builder(), requests).o;
}
void ReadBody(Reader& reader, const wire::ExplainReply& in, ExplainReply* out) {
  out->requests = reader.Tables<RequestReport>(
      in.requests(), "requests",
      [&](const wire::RequestReport* request) { return ReadReport(reader, request); });
}

}  // namespace promptcache

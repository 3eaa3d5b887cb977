#include "cluster/wire/traceparent.h"

#include <algorithm>

namespace promptcache {
namespace {

// Where the parts begin: "00-<32 digits>-<16 digits>-01".
constexpr size_t kTraceId = 3;
constexpr size_t kTraceIdDigits = 32;
constexpr size_t kParentId = kTraceId + kTraceIdDigits + 1;
constexpr size_t kParentIdDigits = 16;
constexpr size_t kFlags = kParentId + kParentIdDigits + 1;
constexpr size_t kBytes = kFlags + 2;

bool AreDigits(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool AreZeros(std::string_view text) { return text.find_first_not_of('0') == text.npos; }

// Null: nothing is wrong with it.
const char* DefectOf(std::string_view trace) {
  if (trace.size() < kBytes) {
    return "it is too short for 00-<32 digits>-<16 digits>-<2 digits>";
  }
  if (trace[kTraceId - 1] != '-' || trace[kParentId - 1] != '-' || trace[kFlags - 1] != '-') {
    return "its parts, of 2, 32, 16 and 2 digits, are not separated by '-'";
  }
  const std::string_view version = trace.substr(0, kTraceId - 1);
  if (!AreDigits(version) || version == "ff") {
    return "the version is not two lower-case hexadecimal digits below ff";
  }
  const std::string_view trace_id = trace.substr(kTraceId, kTraceIdDigits);
  if (!AreDigits(trace_id)) return "the trace id is not 32 lower-case hexadecimal digits";
  if (AreZeros(trace_id)) return "the trace id is zero";
  const std::string_view parent_id = trace.substr(kParentId, kParentIdDigits);
  if (!AreDigits(parent_id)) return "the parent id is not 16 lower-case hexadecimal digits";
  if (AreZeros(parent_id)) return "the parent id is zero";
  if (!AreDigits(trace.substr(kFlags, 2))) {
    return "the flags are not two lower-case hexadecimal digits";
  }
  const bool more = trace.size() > kBytes;
  if (more && (version == "00" || trace[kBytes] != '-')) return "more follows behind the flags";
  return nullptr;
}

}  // namespace

Status CheckTraceparent(std::string_view trace) {
  if (trace.size() > kMaxTraceBytes) {
    return InvalidArgument("the trace has " + std::to_string(trace.size()) + " bytes; at most " +
                           std::to_string(kMaxTraceBytes) + " are allowed");
  }
  const char* const defect = DefectOf(trace);
  if (defect == nullptr) return {};
  return InvalidArgument(std::string("the trace is no W3C traceparent: ") + defect);
}

std::string TraceparentOf(const RequestId& id) {
  const std::string trace_id = id.ToHex();
  std::string trace = "00-" + trace_id + '-' + trace_id.substr(0, kParentIdDigits) + "-01";
  // A parent id must not be zero.
  if (AreZeros(std::string_view(trace).substr(kParentId, kParentIdDigits))) trace[kFlags - 2] = '1';
  return trace;
}

}  // namespace promptcache

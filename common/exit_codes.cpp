#include "common/exit_codes.h"

#include <algorithm>
#include <iterator>

namespace promptcache {
namespace {

// By number, from kFirst on.
constexpr Code kCodes[] = {Code::kInvalidArgument,    Code::kNotFound,         Code::kAlreadyExists,
                           Code::kFailedPrecondition, Code::kUnavailable,      Code::kBusy,
                           Code::kResourceExhausted,  Code::kDeadlineExceeded, Code::kCancelled,
                           Code::kDataLoss,           Code::kUnimplemented,    Code::kInternal};
constexpr int kFirst = 3;

}  // namespace

int ExitCodeFor(const Status& status) {
  if (status.ok()) return 0;
  const auto found = std::find(std::begin(kCodes), std::end(kCodes), status.code());
  return kFirst + static_cast<int>(found - std::begin(kCodes));
}

Code CodeOfExit(int exit_code) {
  const bool is_code = exit_code >= kFirst && exit_code < kFirst + std::ssize(kCodes);
  return is_code ? kCodes[exit_code - kFirst] : Code::kUnavailable;
}

}  // namespace promptcache

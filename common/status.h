// Status and Result<T>: the only way a failure travels in this project.
//
// A Status is one pointer wide and null when OK. A message names what failed, where, and what to do
// about it; it is written for the person who reads it, not for a program (programs use the Code).
// Exceptions of third-party code are caught where that code is fenced and become a Status there.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace promptcache {

// Travels on the wire (schemas/wire) and becomes exit codes: never renumber.
enum class Code : uint8_t {
  kOk = 0,
  kCancelled = 1,
  kInvalidArgument = 2,  // the caller's input is wrong; sending it again cannot help
  kDeadlineExceeded = 3,
  kNotFound = 4,
  kAlreadyExists = 5,
  kResourceExhausted = 6,  // a limit or quota; the message names the limit and the value
  kFailedPrecondition =
      7,             // the state does not allow it (wrong revision, identity mismatch, draining)
  kUnavailable = 8,  // a peer or device is gone; a retry may help
  kBusy = 9,         // a queue is full; retry later
  kDataLoss = 10,    // bytes failed verification
  kUnimplemented = 11,
  kInternal = 12,  // a bug of ours
};

// "not found", "data loss", ...: lower-case words for messages and --json.
std::string_view CodeName(Code code);

// True for the codes after which the same request may succeed unchanged.
bool IsRetryable(Code code);

class [[nodiscard]] Status {
 public:
  Status() = default;  // OK
  // REQUIRES: code != kOk.
  Status(Code code, std::string message);
  Status(const Status& other);
  Status& operator=(const Status& other);
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;

  bool ok() const { return rep_ == nullptr; }
  Code code() const { return rep_ ? rep_->code : Code::kOk; }
  const std::string& message() const;
  // "not found: schema 'x' is not registered", or "ok".
  std::string ToString() const;
  // The same code with `context` and ": " before the message. OK stays OK.
  Status WithContext(std::string_view context) const;

 private:
  struct Rep {
    Code code;
    std::string message;
  };
  std::unique_ptr<Rep> rep_;
};

Status Cancelled(std::string message);
Status InvalidArgument(std::string message);
Status DeadlineExceeded(std::string message);
Status NotFound(std::string message);
Status AlreadyExists(std::string message);
Status ResourceExhausted(std::string message);
Status FailedPrecondition(std::string message);
Status Unavailable(std::string message);
Status Busy(std::string message);
Status DataLoss(std::string message);
Status Unimplemented(std::string message);
Status Internal(std::string message);

// A value or the Status that says why there is none.
// REQUIRES for value(), *, ->: ok(). Violating it aborts with the status printed.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : rep_(std::move(value)) {}  // NOLINT(google-explicit-constructor)
  // REQUIRES: !status.ok().
  Result(Status status) : rep_(std::move(status)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return std::holds_alternative<T>(rep_); }
  Status status() const { return ok() ? Status() : std::get<Status>(rep_); }

  T& value() & { return Checked(), std::get<T>(rep_); }
  const T& value() const& { return Checked(), std::get<T>(rep_); }
  T&& value() && { return Checked(), std::get<T>(std::move(rep_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  void Checked() const;

  std::variant<T, Status> rep_;
};

[[noreturn]] void DieBecauseResultHasNoValue(const Status& status);

template <typename T>
void Result<T>::Checked() const {
  if (!ok()) DieBecauseResultHasNoValue(std::get<Status>(rep_));
}

#define PC_CONCAT_INNER(a, b) a##b
#define PC_CONCAT(a, b) PC_CONCAT_INNER(a, b)

// Returns from the enclosing function when the expression's Status is not OK.
#define PC_RETURN_IF_ERROR(expr)                                                        \
  do {                                                                                  \
    if (::promptcache::Status pc_status_ = (expr); !pc_status_.ok()) return pc_status_; \
  } while (false)

// PC_ASSIGN_OR_RETURN(auto x, F()): x = the value of F(), or returns its Status.
#define PC_ASSIGN_OR_RETURN(lhs, expr) \
  PC_ASSIGN_OR_RETURN_INNER(PC_CONCAT(pc_result_, __LINE__), lhs, expr)
#define PC_ASSIGN_OR_RETURN_INNER(result, lhs, expr) \
  auto result = (expr);                              \
  if (!result.ok()) return result.status();          \
  lhs = std::move(result).value()

}  // namespace promptcache

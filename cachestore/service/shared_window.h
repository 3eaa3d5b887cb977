// Memory that a reader and a store server on one machine share: what the server has read from the
// disk gets to the reader without a socket. The reader makes it and names it in a fetch; the bytes
// of the fetch go round in it, as far ahead as its credit allows. It is an anonymous file of the
// reader's, which nothing outlives; its name, "PID/FD/promptcache-RANDOM", tells a server where to
// find it, and a server elsewhere that there it is not.
//
// Neither end trusts the other: the server writes into the object as into a file, so a window that
// is cut short is an error and no signal, and the reader checks what it finds.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/status.h"

namespace promptcache {

// The reader's end. Not thread safe.
class SharedWindow {
 public:
  // kUnavailable when the system has none to give.
  static Result<std::unique_ptr<SharedWindow>> Create(uint64_t bytes);
  ~SharedWindow();
  SharedWindow(const SharedWindow&) = delete;
  SharedWindow& operator=(const SharedWindow&) = delete;

  const std::string& name() const { return name_; }
  std::span<const uint8_t> bytes() const { return bytes_; }

 private:
  SharedWindow(std::string name, int file, std::span<const uint8_t> bytes)
      : name_(std::move(name)), file_(file), bytes_(bytes) {}

  const std::string name_;
  const int file_;
  const std::span<const uint8_t> bytes_;
};

// The server's end. Not thread safe.
class WindowWriter {
 public:
  // kInvalidArgument for a name that no window has, kNotFound when there is none of that name here,
  // or it is another user's.
  static Result<std::unique_ptr<WindowWriter>> Open(const std::string& name);
  ~WindowWriter();
  WindowWriter(const WindowWriter&) = delete;
  WindowWriter& operator=(const WindowWriter&) = delete;

  uint64_t size() const { return size_; }
  // kUnavailable when the bytes do not fit or there is no memory for them.
  Status Write(uint64_t offset, std::span<const uint8_t> bytes);

 private:
  WindowWriter(int file, uint64_t size) : file_(file), size_(size) {}

  const int file_;
  const uint64_t size_;
};

// Whether a server at this endpoint is on this machine and in another process.
bool CanShareMemory(std::string_view endpoint);

}  // namespace promptcache

// Copies to a device beside what it computes.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Stream.h>

namespace promptcache {

// A stream of its own on a device that has streams, into memory that was allocated before on the
// thread's current stream. Not thread safe.
class CopyStream {
 public:
  // Copies wait for all that the current stream has been given so far: it may still use what the
  // memory was before. They do not wait for what it is given later. Throws c10::Error.
  // REQUIRES: not the CPU.
  explicit CopyStream(c10::Device device);

  // Returns when the bytes are there for every stream. Throws c10::Error.
  void Copy(const at::Tensor& to, const at::Tensor& from) const;

 private:
  c10::Stream stream_;
};

}  // namespace promptcache

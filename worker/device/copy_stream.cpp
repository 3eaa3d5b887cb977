#include "worker/device/copy_stream.h"

#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace promptcache {
namespace {

c10::impl::VirtualGuardImpl StreamsOf(c10::Device device) {
  return c10::impl::VirtualGuardImpl(device.type());
}

}  // namespace

CopyStream::CopyStream(c10::Device device)
    : stream_(StreamsOf(device).getStreamFromGlobalPool(device)) {
  c10::Event given(device.type());
  given.record(StreamsOf(device).getStream(device));
  given.block(stream_);
}

void CopyStream::Copy(const at::Tensor& to, const at::Tensor& from) const {
  const c10::StreamGuard guard(stream_);
  to.copy_(from);  // waits for this stream
}

}  // namespace promptcache

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <new>

#include "common/formats/checkpoint.h"
#include "common/formats/model_identity.h"
#include "common/thread_team.h"
#include "worker/device/cpu_kernels.h"
#include "worker/device/device.h"
#include "worker/model/decoder.h"
#include "worker/model/model.h"
#include "worker/model/source.h"

namespace promptcache {
namespace {

at::ScalarType DtypeFor(ComputeDtype dtype, at::Device device) {
  if (dtype == ComputeDtype::kAuto) {
    return device.is_cuda() || cpu::HasNativeBf16() ? at::kBFloat16 : at::kFloat;
  }
  return dtype == ComputeDtype::kBf16 ? at::kBFloat16 : at::kFloat;
}

std::string NameOf(at::ScalarType dtype) { return dtype == at::kBFloat16 ? "bf16" : "fp32"; }

Result<LoadedModel> Load(const std::string& path, const ModelOptions& options) {
  if (options.threads < 0 || options.threads > kMaxThreads) {
    return InvalidArgument(std::to_string(options.threads) + " threads are not 0 to " +
                           std::to_string(kMaxThreads));
  }
  PC_ASSIGN_OR_RETURN(const at::Device device, ParseDevice(options.device));
  PC_ASSIGN_OR_RETURN(const auto checkpoint, Checkpoint::Open(path));
  const at::ScalarType dtype = DtypeFor(options.dtype, device);
  ModelSource source(checkpoint, at::TensorOptions().dtype(dtype).device(device), options.progress);
  LoadedModel loaded;
  PC_ASSIGN_OR_RETURN(loaded.model, Decoder::Load(source, options.threads));
  PC_ASSIGN_OR_RETURN(loaded.identity, IdentityOfModel(*checkpoint, NameOf(dtype)));
  loaded.name = checkpoint->name();
  return loaded;
}

}  // namespace

Result<std::string> ComputeDtypeName(ComputeDtype dtype, const std::string& device) {
  PC_ASSIGN_OR_RETURN(const at::Device parsed, ParseDevice(device));
  return NameOf(DtypeFor(dtype, parsed));
}

Result<LoadedModel> LoadModel(const std::string& path, const ModelOptions& options) {
  try {
    const c10::NoGradGuard no_grad;
    return Load(path, options);
  } catch (const c10::Error& error) {
    const std::string what = path + ": " + error.what_without_backtrace();
    const bool memory = what.find("allocate memory") != std::string::npos ||
                        dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr;
    return memory ? ResourceExhausted(what) : Internal(what);
  } catch (const std::bad_alloc&) {
    return ResourceExhausted(path + ": out of memory");
  }
}

}  // namespace promptcache

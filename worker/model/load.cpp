#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <filesystem>
#include <new>

#include "common/formats/gguf.h"
#include "common/formats/model_identity.h"
#include "worker/device/cpu_kernels.h"
#include "worker/device/device.h"
#include "worker/model/model.h"
#include "worker/model/registry.h"
#include "worker/model/source.h"

namespace promptcache {
namespace {

at::ScalarType DtypeFor(ComputeDtype dtype, at::Device device) {
  if (dtype == ComputeDtype::kAuto) {
    return device.is_cuda() || cpu::HasNativeBf16() ? at::kBFloat16 : at::kFloat;
  }
  return dtype == ComputeDtype::kBf16 ? at::kBFloat16 : at::kFloat;
}

Result<LoadedModel> Load(const std::string& path, const ModelOptions& options) {
  PC_ASSIGN_OR_RETURN(const at::Device device, ParseDevice(options.device));
  PC_ASSIGN_OR_RETURN(const auto file, GgufFile::Open(path));
  const auto architecture = file->GetString("general.architecture");
  if (!architecture.ok()) return architecture.status().WithContext(path);
  const BuildModel build = FindArchitecture(*architecture);
  if (build == nullptr) {
    return Unimplemented(path + ": architecture '" + *architecture +
                         "'; known: " + KnownArchitectures());
  }
  const at::ScalarType dtype = DtypeFor(options.dtype, device);
  ModelSource source(file, *architecture, at::TensorOptions().dtype(dtype).device(device));
  LoadedModel loaded;
  PC_ASSIGN_OR_RETURN(loaded.model, build(source, options.threads));
  PC_ASSIGN_OR_RETURN(loaded.identity,
                      IdentityOfModel(*file, dtype == at::kBFloat16 ? "bf16" : "fp32"));
  const auto name = file->GetString("general.name");
  loaded.name = name.ok() && !name->empty() ? *name : std::filesystem::path(path).stem().string();
  return loaded;
}

}  // namespace

Result<LoadedModel> LoadGgufModel(const std::string& path, const ModelOptions& options) {
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

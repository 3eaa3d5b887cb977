// The architectures this build knows.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "worker/model/model.h"
#include "worker/model/source.h"

namespace promptcache {

using BuildModel = Result<std::unique_ptr<Model>> (*)(ModelSource& source, int threads);

// nullptr for an unknown one; `name` is the file's general.architecture.
BuildModel FindArchitecture(const std::string& name);
std::string KnownArchitectures();  // "llama", for messages

// One function per architecture, each in a file of its own.
Result<std::unique_ptr<Model>> BuildLlama(ModelSource& source, int threads);

}  // namespace promptcache

// What clients ask: schemas, and prompts that import parts of them. The same in every run.
#pragma once

#include <vector>

#include "cluster/wire/client_messages.h"

namespace promptcache::chaos {

std::vector<SchemaAdd> Schemas();
std::vector<Submit> Questions();

}  // namespace promptcache::chaos

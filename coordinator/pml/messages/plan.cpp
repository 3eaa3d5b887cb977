#include "coordinator/pml/messages/tables.h"

namespace promptcache::internal {

std::span<const PmlMessage> PlanMessages() { return {}; }

}  // namespace promptcache::internal

#include "coordinator/pml/messages/tables.h"

namespace promptcache::internal {

std::span<const PmlMessage> DocumentMessages() { return {}; }

}  // namespace promptcache::internal

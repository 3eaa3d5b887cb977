#include "coordinator/pml/messages/tables.h"

namespace promptcache::internal {

std::span<const PmlMessage> SourceMessages() { return {}; }

}  // namespace promptcache::internal

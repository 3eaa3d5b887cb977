#include "coordinator/pml/messages/tables.h"

namespace promptcache::internal {

std::span<const PmlMessage> LayoutMessages() { return {}; }

}  // namespace promptcache::internal

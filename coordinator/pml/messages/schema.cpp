#include "coordinator/pml/messages/tables.h"

namespace promptcache::internal {

std::span<const PmlMessage> SchemaMessages() { return {}; }

}  // namespace promptcache::internal

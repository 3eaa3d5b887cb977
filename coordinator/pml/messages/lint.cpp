#include "coordinator/pml/messages/tables.h"

namespace promptcache::internal {

std::span<const PmlMessage> LintMessages() { return {}; }

}  // namespace promptcache::internal

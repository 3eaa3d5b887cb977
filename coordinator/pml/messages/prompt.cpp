#include "coordinator/pml/messages/tables.h"

namespace promptcache::internal {

std::span<const PmlMessage> PromptMessages() { return {}; }

}  // namespace promptcache::internal

// Which containers a prompt imports. Internal to coordinator/plan.
#pragma once

#include <string>
#include <vector>

#include "coordinator/layout/layout.h"
#include "coordinator/pml/prompt.h"

namespace promptcache {

struct SelectedArgument {
  const LayoutParam* param = nullptr;
  std::vector<TokenId> ids;
};

struct Selection {
  std::vector<int32_t> containers;  // the root first, then as written
  std::vector<SelectedArgument> arguments;
  std::vector<int32_t> top_level;   // container of each top-level reference
  std::vector<size_t> subtree_end;  // of each top-level reference: one past its last in containers
};

// Errors go to `diagnostics`; the selection is meaningful only without them. Pointers into
// `layout`.
Selection SelectModules(const Layout& layout, const TextEncoder& encoder,
                        const PromptDocument& prompt, Diagnostics& diagnostics);

}  // namespace promptcache

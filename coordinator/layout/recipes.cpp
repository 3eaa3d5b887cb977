// The recipes of units, from their layout.
#include <span>

#include "coordinator/layout/layout.h"
#include "coordinator/layout/recipe_writer.h"
#include "coordinator/layout/slots.h"

namespace promptcache {
namespace {

class Emitter {
 public:
  Emitter(const Layout& layout, EncodingMode mode, RecipeWriter& writer)
      : layout_(layout), mode_(mode), writer_(writer) {}

  // The text of the containers on `path`, as far as the last of them sees it: what lies before the
  // way down. In `schema` encoding that is the default selection along the path's own choices.
  void EmitAbove(std::span<const int32_t> path) {
    for (size_t level = 0; level + 1 < path.size(); ++level) {
      EmitItems(path[level], path[level + 1], TokenRole::kSeen);
    }
  }

  // The container's own text, with what stands between its runs.
  void EmitOwn(int32_t container) { EmitItems(container, kNone, TokenRole::kRow); }

  void EmitRun(int32_t container, int32_t run, TokenRole role) {
    const LayoutRun& text = layout_.containers[container].runs[run];
    writer_.Add(text.ids, text.start, role);
  }

  void EmitSlot(int32_t container, int32_t param) {
    ForSlotTokens(layout_, mode_, layout_.containers[container].params[param],
                  [&](auto ids, Position start) { writer_.Add(ids, start, TokenRole::kSeen); });
  }

 private:
  void EmitItems(int32_t container, int32_t until, TokenRole role) {
    if (!layout_.containers[container].cached) return;
    for (const LayoutItem& item : layout_.containers[container].items) {
      if (item.kind == LayoutItem::Kind::kRun) {
        EmitRun(container, item.index, role);
      } else if (item.kind == LayoutItem::Kind::kParam) {
        EmitSlot(container, item.index);
      } else if (item.index == until) {
        return;
      } else if (mode_ == EncodingMode::kSchema && IsDefault(item.index, until)) {
        EmitItems(item.index, kNone, TokenRole::kSeen);
      }
    }
  }

  // Whether the default selection has this module, when `chosen` is chosen in its own union.
  bool IsDefault(int32_t module, int32_t chosen) const {
    const int32_t group = layout_.containers[module].union_index;
    if (group == kNone) return true;
    if (chosen != kNone && layout_.containers[chosen].union_index == group) return false;
    return layout_.union_defaults[group] == module;
  }

  const Layout& layout_;
  const EncodingMode mode_;
  RecipeWriter& writer_;
};

}  // namespace

std::vector<int32_t> Layout::PathTo(int32_t container) const {
  std::vector<int32_t> path;
  for (int32_t c = container; c != kNone; c = containers[c].parent) path.insert(path.begin(), c);
  return path;
}

Recipe Layout::RecipeOf(const LayoutUnit& unit) const {
  if (unit.set != kNone) return RecipeOf(sets[unit.set]);
  RecipeWriter writer(positions);
  Emitter emitter(*this, encoding, writer);
  if (encoding != EncodingMode::kIndependent) emitter.EmitAbove(PathTo(unit.container));
  emitter.EmitOwn(unit.container);
  return writer.Finish(encoding);
}

// Behind what all its members see: the text of the containers around them, up to the first.
Recipe Layout::RecipeOf(const LayoutSet& set) const {
  RecipeWriter writer(positions);
  Emitter emitter(*this, EncodingMode::kScaffoldSet, writer);
  if (encoding != EncodingMode::kIndependent) {
    std::vector<int32_t> path = PathTo(set.members.front());
    path.resize(PathTo(set.enclosing).size() + 1);
    emitter.EmitAbove(path);
  }
  auto slot = set.slots.begin();
  for (const RunRef& run : set.runs) {
    const Position start = containers[run.container].runs[run.run].start;
    while (slot != set.slots.end() &&
           containers[slot->container].params[slot->param].start < start) {
      emitter.EmitSlot(slot->container, slot->param);
      ++slot;
    }
    emitter.EmitRun(run.container, run.run, TokenRole::kRow);
  }
  return writer.Finish(EncodingMode::kScaffoldSet);
}

}  // namespace promptcache

#include "coordinator/layout/unit_digests.h"

#include "coordinator/layout/slots.h"

namespace promptcache {
namespace {

// The rows of one unit among the tokens hashed so far.
struct Rows {
  uint64_t begin = 0;
  uint64_t end = 0;  // behind the last; equal to begin: none yet
  uint32_t count = 0;
  std::vector<RowRange> hidden;

  void Add(uint64_t at, size_t rows) {
    if (end == begin) {
      begin = at;
    } else if (end < at) {
      hidden.push_back({static_cast<uint32_t>(end - begin), static_cast<uint32_t>(at - end)});
    }
    end = at + rows;
    count += static_cast<uint32_t>(rows);
  }
};

class DigestWalk {
 public:
  explicit DigestWalk(Layout& layout) : layout_(layout) {}

  // `behind` holds what the container sees before its own text. Returns it with what the default
  // selection has of this container, which matters in `schema` encoding only.
  RecipeHasher Walk(int32_t index, RecipeHasher behind) {
    LayoutContainer& container = layout_.containers[index];
    if (!container.cached) return behind;
    Reserve(index);
    Rows rows;
    RecipeHasher before_union;
    int32_t open_union = kNone;
    for (const LayoutItem& item : container.items) {
      if (item.kind == LayoutItem::Kind::kRun) {
        AddRun(container.runs[item.index], behind, rows);
        if (item.index + 1 == static_cast<int32_t>(container.runs.size())) {
          CompleteUnit(index, behind, rows);
        }
      } else if (item.kind == LayoutItem::Kind::kParam) {
        ForSlotTokens(layout_, layout_.encoding, container.params[item.index],
                      [&](auto ids, Position start) { Add(ids, start, behind); });
      } else {
        const int32_t group = layout_.containers[item.index].union_index;
        if (group == kNone || group != open_union) before_union = behind;
        open_union = group;
        Enter(item.index, before_union, behind);
      }
    }
    return behind;
  }

 private:
  void Add(std::span<const TokenId> ids, Position start, RecipeHasher& hasher) const {
    const bool packed = layout_.positions == Positions::kPacked;
    hasher.Add(ids, packed ? static_cast<Position>(hasher.tokens()) : start);
  }

  // Units are in document order, and those inside a container are complete before its own.
  void Reserve(int32_t index) {
    LayoutContainer& container = layout_.containers[index];
    if (container.runs.empty()) return;
    container.unit = static_cast<int32_t>(layout_.units.size());
    layout_.units.emplace_back();
  }

  void AddRun(LayoutRun& run, RecipeHasher& hasher, Rows& rows) const {
    const uint64_t at = hasher.tokens();
    rows.Add(at, run.ids.size());
    run.local = static_cast<Position>(at - rows.begin);
    Add(run.ids, run.start, hasher);
  }

  void CompleteUnit(int32_t index, const RecipeHasher& hasher, const Rows& rows) {
    LayoutContainer& container = layout_.containers[index];
    const Position start = container.runs[0].start;
    if (layout_.positions == Positions::kSchema) {
      for (LayoutRun& run : container.runs) run.local = run.start - start;
    }
    layout_.units[container.unit] = {
        .container = index,
        .path = container.path,
        .start = start,
        .tokens = rows.count,
        .context_tokens = static_cast<uint32_t>(rows.begin),
        .digest = hasher.Finish(layout_.encoding, rows.begin, rows.hidden),
        .lifetime = container.lifetime};
  }

  // A module sees what is before it, its union's other members not included. What comes behind it
  // sees it in `schema` encoding, if it is part of the default selection.
  void Enter(int32_t module, const RecipeHasher& before, RecipeHasher& behind) {
    if (layout_.encoding == EncodingMode::kIndependent) {
      Walk(module, {});
      return;
    }
    RecipeHasher after = Walk(module, before);
    const int32_t group = layout_.containers[module].union_index;
    const bool is_default = group == kNone || layout_.union_defaults[group] == module;
    if (layout_.encoding == EncodingMode::kSchema && is_default) behind = std::move(after);
  }

  Layout& layout_;
};

}  // namespace

void MakeContainerUnits(Layout& layout) { DigestWalk(layout).Walk(0, {}); }

}  // namespace promptcache

#include "coordinator/layout/layout.h"

#include <algorithm>

#include "coordinator/layout/sets.h"
#include "coordinator/layout/unit_digests.h"

namespace promptcache {
namespace {

constexpr int64_t kMaxPosition = 1 << 25;  // no model's context is as long

// Keeps the first half and the last half (the larger one) of a run that is too long.
void Truncate(std::vector<TokenId>& ids, uint32_t max_tokens) {
  if (max_tokens == 0 || ids.size() <= max_tokens) return;
  const size_t head = max_tokens / 2;
  const size_t tail = max_tokens - head;
  ids.erase(ids.begin() + static_cast<ptrdiff_t>(head), ids.end() - static_cast<ptrdiff_t>(tail));
}

// Gives every text and slot its tokens and its place.
class Placer {
 public:
  Placer(const TextEncoder& encoder, const LayoutOptions& options, Layout& layout,
         Diagnostics& diagnostics)
      : encoder_(encoder), options_(options), layout_(layout), diagnostics_(diagnostics) {}

  void PlaceRoot(const SchemaContainer& root) {
    Place(root, {.path = root.name}, 0);
    layout_.length = layout_.containers[0].length;
  }

 private:
  struct Spot {
    std::string path;
    int32_t parent = kNone;
    int32_t union_index = kNone;
  };

  // Lays out a container from `start` on and appends it, then what is inside it.
  void Place(const SchemaContainer& source, const Spot& place, Position start) {
    const auto index = static_cast<int32_t>(layout_.containers.size());
    layout_.containers.push_back({.name = source.name,
                                  .path = place.path,
                                  .parent = place.parent,
                                  .union_index = place.union_index,
                                  .start = start,
                                  .cached = source.cached,
                                  .lifetime = source.lifetime,
                                  .offset = source.offset});
    if (place.parent != kNone) {
      AddItem(place.parent, LayoutItem::Kind::kModule, index);
      layout_.containers[place.parent].children.push_back(index);
    }
    Position at = start;
    if (source.src) at = Advance(at, PlaceText(source.src->text, index, at));
    for (const SchemaChild& child : source.children) {
      at = Advance(at, PlaceChild(child, index, at));
      if (failed_) return;
    }
    layout_.containers[index].length = at - start;
  }

  Position Advance(Position at, Position length) {
    if (int64_t{at} + length <= kMaxPosition) return at + length;
    if (!failed_) {
      diagnostics_.Report(layout_.containers[0].offset, PmlId::kTooManyPositions, layout_.schema,
                          kMaxPosition);
    }
    failed_ = true;
    return at;
  }

  void AddItem(int32_t container, LayoutItem::Kind kind, size_t index) {
    layout_.containers[container].items.push_back({kind, static_cast<int32_t>(index)});
  }

  Position PlaceChild(const SchemaChild& child, int32_t parent, Position at) {
    if (const auto* text = std::get_if<XmlText>(&child)) return PlaceText(*text, parent, at);
    if (const auto* param = std::get_if<SchemaParam>(&child)) return PlaceParam(*param, parent, at);
    if (const auto* group = std::get_if<SchemaUnion>(&child)) return PlaceUnion(*group, parent, at);
    return PlaceModule(*std::get<std::unique_ptr<SchemaContainer>>(child), parent, kNone, at);
  }

  Position PlaceText(const XmlText& text, int32_t parent, Position at) {
    auto ids = encoder_.EncodeSchemaText(text, layout_.whitespace);
    LayoutContainer& container = layout_.containers[parent];
    if (!ids.ok()) {
      diagnostics_.Report(text.content_offset.value_or(container.offset), PmlId::kUntokenizable,
                          container.path, ids.status().message());
      return 0;
    }
    Truncate(*ids, options_.max_tokens);
    const auto length = static_cast<Position>(ids->size());
    if (length == 0) return 0;
    AddItem(parent, LayoutItem::Kind::kRun, container.runs.size());
    container.runs.push_back({.start = at, .ids = *std::move(ids)});
    return length;
  }

  Position PlaceParam(const SchemaParam& param, int32_t parent, Position at) {
    LayoutContainer& container = layout_.containers[parent];
    LayoutParam placed{.name = param.name, .start = at, .length = param.length};
    if (param.scaffold) {
      auto ids = encoder_.EncodeArgument(*param.scaffold);
      if (!ids.ok()) {
        diagnostics_.Report(param.scaffold_offset, PmlId::kUntokenizable, container.path,
                            ids.status().message());
      } else if (ids->size() > param.length) {
        diagnostics_.Report(param.scaffold_offset, PmlId::kScaffoldTooLong, param.name,
                            container.path, ids->size(), param.length);
      } else {
        placed.scaffold = *std::move(ids);
      }
    }
    AddItem(parent, LayoutItem::Kind::kParam, container.params.size());
    container.params.push_back(std::move(placed));
    return static_cast<Position>(param.length);
  }

  Position PlaceModule(const SchemaContainer& module, int32_t parent, int32_t union_index,
                       Position at) {
    const auto index = layout_.containers.size();
    Place(module,
          {.path = layout_.containers[parent].path + "/" + module.name,
           .parent = parent,
           .union_index = union_index},
          at);
    return layout_.containers[index].length;
  }

  Position PlaceUnion(const SchemaUnion& group, int32_t parent, Position at) {
    const auto union_index = static_cast<int32_t>(layout_.union_defaults.size());
    layout_.union_defaults.push_back(kNone);
    Position longest = 0;
    for (const auto& member : group.members) {
      if (member->name == group.scaffold) {
        layout_.union_defaults[union_index] = static_cast<int32_t>(layout_.containers.size());
      }
      longest = std::max(longest, PlaceModule(*member, parent, union_index, at));
      if (failed_) break;
    }
    return longest;
  }

  const TextEncoder& encoder_;
  const LayoutOptions& options_;
  Layout& layout_;
  Diagnostics& diagnostics_;
  bool failed_ = false;
};

void SortChildren(Layout& layout) {
  for (LayoutContainer& container : layout.containers) {
    std::sort(container.children.begin(), container.children.end(), [&](int32_t a, int32_t b) {
      return layout.containers[a].name < layout.containers[b].name;
    });
  }
}

// The tokenizer's unknown token, or one that ends a text (S34 of the reference).
void ChoosePlaceholder(const Tokenizer& tokenizer, Layout& layout, Diagnostics& diagnostics) {
  if (layout.encoding != EncodingMode::kSchema) return;
  const std::vector<TokenId> ends = tokenizer.end_ids();
  if (tokenizer.unknown_id()) {
    layout.placeholder = *tokenizer.unknown_id();
  } else if (!ends.empty()) {
    layout.placeholder = ends.front();
  } else if (std::any_of(layout.containers.begin(), layout.containers.end(),
                         [](const LayoutContainer& one) { return !one.params.empty(); })) {
    diagnostics.Report(layout.containers[0].offset, PmlId::kNoPlaceholder, layout.schema);
  }
}

// Under `schema` the document itself has to fit; a recipe spans no more than it does.
void CheckLength(const Layout& layout, uint32_t context, Diagnostics& diagnostics) {
  if (layout.positions == Positions::kPacked || context == 0) return;
  if (layout.length <= static_cast<int64_t>(context)) return;
  diagnostics.Report(layout.containers[0].offset, PmlId::kSchemaOverContext, layout.schema,
                     layout.length, context);
}

void CheckRecipes(const Layout& layout, uint32_t context, Diagnostics& diagnostics) {
  if (layout.positions == Positions::kSchema || context == 0) return;
  for (const LayoutUnit& unit : layout.units) {
    int64_t span = 0;
    if (unit.set == kNone) {
      const LayoutRun& last = layout.containers[unit.container].runs.back();
      span = int64_t{unit.context_tokens} + last.local + static_cast<int64_t>(last.ids.size());
    } else {
      const RunRef& last = layout.sets[unit.set].runs.back();
      span = int64_t{unit.context_tokens} + last.local +
             static_cast<int64_t>(layout.containers[last.container].runs[last.run].ids.size());
    }
    if (span <= int64_t{context}) continue;
    diagnostics.Report(
        unit.set == kNone ? layout.containers[unit.container].offset : layout.sets[unit.set].offset,
        PmlId::kRecipeOverContext, unit.path, span, context);
  }
}

}  // namespace

int32_t Layout::FindChild(int32_t container, std::string_view name) const {
  const auto& children = containers[container].children;
  const auto found = std::lower_bound(
      children.begin(), children.end(), name,
      [&](int32_t child, std::string_view wanted) { return containers[child].name < wanted; });
  return found != children.end() && containers[*found].name == name ? *found : kNone;
}

Layout Layout::Reencoded(Positions other_positions, EncodingMode other_encoding) const {
  Layout other = *this;
  other.positions = other_positions;
  other.encoding = other_encoding;
  other.sets.clear();
  other.units.clear();
  MakeContainerUnits(other);
  return other;
}

std::optional<Layout> BuildLayout(const SchemaDocument& schema, const TextEncoder& encoder,
                                  const LayoutOptions& options, Diagnostics& diagnostics) {
  Layout layout{.schema = schema.root.name,
                .whitespace = schema.whitespace,
                .positions = schema.positions,
                .encoding = schema.encoding};
  Placer(encoder, options, layout, diagnostics).PlaceRoot(schema.root);
  ChoosePlaceholder(encoder.tokenizer(), layout, diagnostics);
  CheckLength(layout, options.context_length, diagnostics);
  if (!diagnostics.ok()) return std::nullopt;
  SortChildren(layout);
  MakeContainerUnits(layout);
  MakeSets(schema, options.set_tokens, layout, diagnostics);
  CheckRecipes(layout, options.context_length, diagnostics);
  if (!diagnostics.ok()) return std::nullopt;
  return layout;
}

}  // namespace promptcache

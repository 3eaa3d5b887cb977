#include "coordinator/layout/layout.h"

#include <algorithm>

namespace promptcache {
namespace {

constexpr int64_t kMaxPosition = 1 << 30;

// Keeps the first half and the last half (the larger one) of a run that is too long.
void Truncate(std::vector<TokenId>& ids, uint32_t max_tokens) {
  if (max_tokens == 0 || ids.size() <= max_tokens) return;
  const size_t head = max_tokens / 2;
  const size_t tail = max_tokens - head;
  ids.erase(ids.begin() + static_cast<ptrdiff_t>(head), ids.end() - static_cast<ptrdiff_t>(tail));
}

class LayoutBuilder {
 public:
  LayoutBuilder(const SchemaDocument& schema, const TextEncoder& encoder,
                const LayoutOptions& options)
      : schema_(schema), encoder_(encoder), options_(options) {}

  Result<Layout> Build() {
    layout_.schema = schema_.root.name;
    layout_.whitespace = schema_.whitespace;
    layout_.encoding = schema_.encoding;
    PC_RETURN_IF_ERROR(Place(schema_.root, {.path = schema_.root.name}, 0));
    layout_.length = layout_.containers[0].length;
    if (options_.context_length > 0 &&
        layout_.length > static_cast<int64_t>(options_.context_length)) {
      return InvalidArgument("the schema '" + layout_.schema + "' takes " +
                             std::to_string(layout_.length) + " tokens; the model's context has " +
                             std::to_string(options_.context_length));
    }
    SortChildren();
    MakeUnits();
    return std::move(layout_);
  }

 private:
  struct Spot {
    std::string path;
    int32_t parent = kNone;
    int32_t union_index = kNone;
  };

  // Lays out a container from `start` on and appends it, then what is inside it.
  Status Place(const SchemaContainer& source, const Spot& place, Position start) {
    const auto index = static_cast<int32_t>(layout_.containers.size());
    layout_.containers.push_back({.name = source.name,
                                  .path = place.path,
                                  .parent = place.parent,
                                  .union_index = place.union_index,
                                  .start = start,
                                  .cached = source.cached});
    if (place.parent != kNone) layout_.containers[place.parent].children.push_back(index);
    Position at = start;
    for (const SchemaChild& child : source.children) {
      PC_ASSIGN_OR_RETURN(const Position length, PlaceChild(child, index, at));
      if (int64_t{at} + length > kMaxPosition) {
        return InvalidArgument("the schema '" + layout_.schema + "' has more than " +
                               std::to_string(kMaxPosition) + " positions");
      }
      at += length;
    }
    layout_.containers[index].length = at - start;
    return {};
  }

  Result<Position> PlaceChild(const SchemaChild& child, int32_t parent, Position at) {
    if (const auto* text = std::get_if<XmlText>(&child)) return PlaceText(*text, parent, at);
    if (const auto* param = std::get_if<SchemaParam>(&child)) {
      layout_.containers[parent].params.push_back({param->name, at, param->length});
      return static_cast<Position>(param->length);
    }
    if (const auto* group = std::get_if<SchemaUnion>(&child)) return PlaceUnion(*group, parent, at);
    return PlaceModule(*std::get<std::unique_ptr<SchemaContainer>>(child), parent, kNone, at);
  }

  Result<Position> PlaceText(const XmlText& text, int32_t parent, Position at) {
    auto ids = encoder_.EncodeSchemaText(text, layout_.whitespace);
    if (!ids.ok()) return ids.status().WithContext(layout_.containers[parent].path);
    Truncate(*ids, options_.max_tokens);
    const auto length = static_cast<Position>(ids->size());
    if (length > 0) layout_.containers[parent].runs.push_back({at, *std::move(ids)});
    return length;
  }

  Result<Position> PlaceModule(const SchemaContainer& module, int32_t parent, int32_t union_index,
                               Position at) {
    const auto index = layout_.containers.size();
    PC_RETURN_IF_ERROR(Place(module,
                             {.path = layout_.containers[parent].path + "/" + module.name,
                              .parent = parent,
                              .union_index = union_index},
                             at));
    return layout_.containers[index].length;
  }

  Result<Position> PlaceUnion(const SchemaUnion& group, int32_t parent, Position at) {
    const int32_t union_index = unions_++;
    Position longest = 0;
    for (const auto& member : group.members) {
      PC_ASSIGN_OR_RETURN(const Position length, PlaceModule(*member, parent, union_index, at));
      longest = std::max(longest, length);
    }
    return longest;
  }

  void SortChildren() {
    for (LayoutContainer& container : layout_.containers) {
      std::sort(container.children.begin(), container.children.end(), [&](int32_t a, int32_t b) {
        return layout_.containers[a].name < layout_.containers[b].name;
      });
    }
  }

  void MakeUnits() {
    for (size_t c = 0; c < layout_.containers.size(); ++c) {
      LayoutContainer& container = layout_.containers[c];
      if (container.runs.empty() || !container.cached) continue;
      LayoutUnit unit{.container = static_cast<int32_t>(c),
                      .path = container.path,
                      .start = container.runs[0].start};
      for (const LayoutRun& run : container.runs) {
        unit.tokens += static_cast<uint32_t>(run.ids.size());
      }
      unit.digest = layout_.RecipeOf(unit).Digest();
      container.unit = static_cast<int32_t>(layout_.units.size());
      layout_.units.push_back(unit);
    }
  }

  const SchemaDocument& schema_;
  const TextEncoder& encoder_;
  const LayoutOptions& options_;
  Layout layout_;
  int32_t unions_ = 0;
};

void AppendRun(const LayoutRun& run, Position origin, Tokens& tokens) {
  for (size_t i = 0; i < run.ids.size(); ++i) {
    tokens.Append(run.ids[i], run.start + static_cast<Position>(i) - origin);
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

Recipe Layout::RecipeOf(const LayoutUnit& unit) const {
  Recipe recipe{.mode = encoding};
  if (encoding == EncodingMode::kAnchored) {
    std::vector<int32_t> ancestors;  // nearest first
    for (int32_t c = containers[unit.container].parent; c != kNone; c = containers[c].parent) {
      ancestors.push_back(c);
    }
    int32_t inside = unit.container;
    std::vector<std::pair<int32_t, Position>> behind;  // ancestor, where the way down leaves it
    for (int32_t ancestor : ancestors) {
      behind.emplace_back(ancestor, containers[inside].start);
      inside = ancestor;
    }
    std::reverse(behind.begin(), behind.end());
    for (const auto& [ancestor, left_at] : behind) {
      if (!containers[ancestor].cached) continue;
      for (const LayoutRun& run : containers[ancestor].runs) {
        if (run.end() <= left_at) AppendRun(run, unit.start, recipe.context);
      }
    }
  }
  for (const LayoutRun& run : containers[unit.container].runs) {
    AppendRun(run, unit.start, recipe.own);
  }
  return recipe;
}

std::optional<Layout> BuildLayout(const SchemaDocument& schema, const TextEncoder& encoder,
                                  const LayoutOptions& options, Diagnostics& diagnostics) {
  auto layout = LayoutBuilder(schema, encoder, options).Build();
  if (layout.ok()) return *std::move(layout);
  diagnostics.Error(schema.root.offset, "layout", layout.status().message());
  return std::nullopt;
}

}  // namespace promptcache

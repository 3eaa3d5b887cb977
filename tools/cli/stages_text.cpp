#include <fmt/format.h>

#include "tools/cli/stages.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

constexpr size_t kShown = 60;  // bytes of a text

// One line, quoted, with line breaks visible; cut at a character when it is long.
std::string Excerpt(std::string_view text) {
  size_t end = std::min(text.size(), kShown);
  while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
    --end;
  }
  std::string out = "\"";
  for (const char c : text.substr(0, end)) {
    if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\x{:02x}", c);
    } else {
      out += c;
    }
  }
  return out + (end < text.size() ? "…\"" : "\"");
}

std::string Written(const XmlText& text) {
  std::string out;
  for (const TextSpan& span : text.spans) {
    out += span.marker ? std::string(RoleMarkerText(*span.marker)) : span.text;
  }
  return out;
}

class TreeText {
 public:
  std::string Render(const SchemaDocument& document) {
    Line(0, fmt::format("schema {} (positions {}, encoding {})", document.root.name,
                        PositionsName(document.positions), EncodingModeName(document.encoding)));
    AddInside(document.root, 1);
    for (const SchemaSet& set : document.sets) {
      Line(1, fmt::format("scaffold {}", fmt::join(set.members, " ")));
    }
    return std::move(out_);
  }

 private:
  void Line(size_t depth, const std::string& text) {
    out_ += std::string(2 * depth, ' ') + text + "\n";
  }

  void AddInside(const SchemaContainer& container, size_t depth) {
    if (container.src) {
      Line(depth,
           fmt::format("src {} {}", container.src->path, Excerpt(Written(container.src->text))));
    }
    for (const SchemaChild& child : container.children) AddChild(child, depth);
  }

  void AddChild(const SchemaChild& child, size_t depth) {
    if (const auto* text = std::get_if<XmlText>(&child)) {
      Line(depth, "text " + Excerpt(Written(*text)));
    } else if (const auto* param = std::get_if<SchemaParam>(&child)) {
      Line(depth, fmt::format("param {} of {} tokens{}", param->name, param->length,
                              param->scaffold ? " scaffold " + Excerpt(*param->scaffold) : ""));
    } else if (const auto* group = std::get_if<SchemaUnion>(&child)) {
      Line(depth, group->scaffold.empty() ? "union" : "union, by default " + group->scaffold);
      for (const auto& member : group->members) AddModule(*member, depth + 1);
    } else {
      AddModule(*std::get<std::unique_ptr<SchemaContainer>>(child), depth);
    }
  }

  void AddModule(const SchemaContainer& module, size_t depth) {
    const std::string lifetime = LifetimeText(module.lifetime);
    Line(depth, fmt::format("module {}{}{}", module.name, module.cached ? "" : " (not cached)",
                            lifetime == "-" ? "" : " (" + lifetime + ")"));
    AddInside(module, depth + 1);
  }

  std::string out_;
};

}  // namespace

std::string RenderPieces(const PmlSource& source, std::span<const Piece> pieces) {
  static constexpr const char* kNames[] = {"text",   "CDATA",    "comment",   "declaration",
                                           "marker", "open tag", "close tag", "empty tag"};
  Table table({{"line", Align::kRight}, {"column", Align::kRight}, {"what"}, {"text"}});
  for (const Piece& piece : pieces) {
    const Location at = source.At(piece.begin);
    table.AddRow({std::to_string(at.line), std::to_string(at.column),
                  kNames[static_cast<size_t>(piece.kind)],
                  Excerpt(source.text().substr(piece.begin, piece.end - piece.begin))});
  }
  return table.Render();
}

std::string RenderTree(const SchemaDocument& document) { return TreeText().Render(document); }

std::string RenderLayout(const Layout& layout) {
  Table table({{"start", Align::kRight},
               {"end", Align::kRight},
               {"tokens", Align::kRight},
               {"what"},
               {"of"}});
  for (const LayoutContainer& container : layout.containers) {
    table.AddRow({std::to_string(container.start),
                  std::to_string(container.start + container.length),
                  std::to_string(container.length),
                  container.parent == kNone        ? "schema"
                  : container.union_index != kNone ? "union member"
                                                   : "module",
                  container.path});
    for (const LayoutItem& item : container.items) {
      if (item.kind == LayoutItem::Kind::kRun) {
        const LayoutRun& run = container.runs[item.index];
        table.AddRow({std::to_string(run.start), std::to_string(run.end()),
                      std::to_string(run.ids.size()), "  text", ""});
      } else if (item.kind == LayoutItem::Kind::kParam) {
        const LayoutParam& param = container.params[item.index];
        table.AddRow({std::to_string(param.start), std::to_string(param.end()),
                      std::to_string(param.length), "  parameter", param.name});
      }
    }
  }
  return fmt::format("{}: {} positions ({}), {} units\n", layout.schema, layout.length,
                     PositionsName(layout.positions), layout.units.size()) +
         table.Render();
}

std::string RenderUnits(const Layout& layout) {
  Table table({{"unit"},
               {"start", Align::kRight},
               {"tokens", Align::kRight},
               {"context", Align::kRight},
               {"mode"},
               {"kept"},
               {"recipe"}});
  for (const LayoutUnit& unit : layout.units) {
    const EncodingMode mode = unit.set == kNone ? layout.encoding : EncodingMode::kScaffoldSet;
    table.AddRow({unit.path, std::to_string(unit.start), std::to_string(unit.tokens),
                  std::to_string(unit.context_tokens), std::string(EncodingModeName(mode)),
                  LifetimeText(unit.lifetime), unit.digest.ToHex().substr(0, 12)});
  }
  return table.Render();
}

std::string LifetimeText(const Lifetime& lifetime) {
  constexpr uint64_t kMinute = 60'000;
  std::string out;
  const uint64_t minutes = lifetime.ttl_ms / kMinute;
  if (minutes > 0) {
    out = minutes % 1440 == 0 ? fmt::format("ttl {}d", minutes / 1440)
          : minutes % 60 == 0 ? fmt::format("ttl {}h", minutes / 60)
                              : fmt::format("ttl {}m", minutes);
  }
  if (lifetime.pinned) out += out.empty() ? "pinned" : ", pinned";
  return out.empty() ? "-" : out;
}

}  // namespace promptcache

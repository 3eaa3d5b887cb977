#include <nlohmann/json.hpp>

#include "common/text/utf8.h"
#include "tools/cli/stages.h"

namespace promptcache {
namespace {

using nlohmann::json;

constexpr const char* kPieceNames[] = {"text",   "cdata",    "comment",   "declaration",
                                       "marker", "open_tag", "close_tag", "empty_tag"};
constexpr const char* kWhitespaceNames[] = {"reference", "indent", "preserve"};

json AllToJson(const std::vector<Diagnostic>& all) {
  json list = json::array();
  for (const Diagnostic& one : all) {
    list.push_back({{"id", one.id},
                    {"severity", one.severity == Severity::kError ? "error" : "warning"},
                    {"file", one.file},
                    {"line", one.location.line},
                    {"column", one.location.column},
                    {"message", one.message},
                    {"snippet", one.snippet},
                    {"caret", one.caret}});
  }
  return list;
}

json LifetimeToJson(const Lifetime& lifetime) {
  return {{"ttl_ms", lifetime.ttl_ms}, {"pinned", lifetime.pinned}};
}

json TextToJson(const XmlText& text) {
  json spans = json::array();
  for (const TextSpan& span : text.spans) {
    if (span.marker) {
      spans.push_back({{"marker", std::string(RoleMarkerText(*span.marker))}});
    } else {
      spans.push_back({{"text", span.text},
                       {"literal_space_before", span.head_space},
                       {"literal_space_after", span.tail_space}});
    }
  }
  return {{"kind", "text"}, {"spans", std::move(spans)}};
}

json ContainerToJson(const SchemaContainer& container);

struct ChildToJson {
  json operator()(const XmlText& text) const { return TextToJson(text); }
  json operator()(const SchemaParam& param) const {
    json out = {{"kind", "param"}, {"name", param.name}, {"length", param.length}};
    if (param.scaffold) out["scaffold"] = *param.scaffold;
    return out;
  }
  json operator()(const std::unique_ptr<SchemaContainer>& module) const {
    json out = ContainerToJson(*module);
    out["kind"] = "module";
    return out;
  }
  json operator()(const SchemaUnion& group) const {
    json members = json::array();
    for (const auto& member : group.members) members.push_back((*this)(member));
    return {{"kind", "union"}, {"scaffold", group.scaffold}, {"members", std::move(members)}};
  }
};

json ContainerToJson(const SchemaContainer& container) {
  json children = json::array();
  for (const SchemaChild& child : container.children) {
    children.push_back(std::visit(ChildToJson(), child));
  }
  json out = {{"name", container.name},
              {"cache", container.cached},
              {"lifetime", LifetimeToJson(container.lifetime)},
              {"description", container.description},
              {"children", std::move(children)}};
  if (container.src) {
    out["src"] = {{"path", container.src->path}, {"text", TextToJson(container.src->text)}};
  }
  return out;
}

json TokensToJson(const Tokenizer& tokenizer, std::span<const TokenId> ids, Position start) {
  json tokens = json::array();
  for (const TokenId id : ids) {
    tokens.push_back({{"text", TokenText(tokenizer, id)}, {"id", id}, {"position", start++}});
  }
  return tokens;
}

json TokensToJson(const Tokenizer& tokenizer, const Tokens& all) {
  json tokens = json::array();
  for (size_t i = 0; i < all.size(); ++i) {
    tokens.push_back({{"text", TokenText(tokenizer, all.ids[i])},
                      {"id", all.ids[i]},
                      {"position", all.positions[i]}});
  }
  return tokens;
}

json ContainerToJson(const Layout& layout, const LayoutContainer& container,
                     const Tokenizer& tokenizer) {
  json runs = json::array();
  for (const LayoutRun& run : container.runs) {
    runs.push_back({{"start", run.start}, {"tokens", TokensToJson(tokenizer, run.ids, run.start)}});
  }
  json params = json::array();
  for (const LayoutParam& param : container.params) {
    params.push_back({{"name", param.name},
                      {"start", param.start},
                      {"length", param.length},
                      {"scaffold", TokensToJson(tokenizer, param.scaffold, param.start)}});
  }
  return {{"path", container.path},
          {"start", container.start},
          {"length", container.length},
          {"union", container.union_index == kNone ? json() : json(container.union_index)},
          {"cache", container.cached},
          {"unit", container.unit == kNone ? json() : json(layout.units[container.unit].path)},
          {"runs", std::move(runs)},
          {"params", std::move(params)}};
}

}  // namespace

json DiagnosticsToJson(const Diagnostics& diagnostics) {
  return {{"errors", AllToJson(diagnostics.errors())},
          {"warnings", AllToJson(diagnostics.warnings())}};
}

json PiecesToJson(const PmlSource& source, std::span<const Piece> pieces) {
  json list = json::array();
  for (const Piece& piece : pieces) {
    const Location at = source.At(piece.begin);
    list.push_back({{"kind", kPieceNames[static_cast<size_t>(piece.kind)]},
                    {"line", at.line},
                    {"column", at.column},
                    {"text", source.text().substr(piece.begin, piece.end - piece.begin)}});
  }
  return list;
}

json TreeToJson(const SchemaDocument& document) {
  json sets = json::array();
  for (const SchemaSet& set : document.sets) sets.push_back(set.members);
  json out = ContainerToJson(document.root);
  out["kind"] = "schema";
  out["whitespace"] = kWhitespaceNames[static_cast<size_t>(document.whitespace)];
  out["positions"] = PositionsName(document.positions);
  out["encoding"] = std::string(EncodingModeName(document.encoding));
  out["sets"] = std::move(sets);
  return out;
}

json LayoutToJson(const Layout& layout, const Tokenizer& tokenizer) {
  json containers = json::array();
  for (const LayoutContainer& container : layout.containers) {
    containers.push_back(ContainerToJson(layout, container, tokenizer));
  }
  json sets = json::array();
  for (const LayoutSet& set : layout.sets) {
    json members = json::array();
    for (const int32_t member : set.members) members.push_back(layout.containers[member].path);
    sets.push_back({{"members", std::move(members)},
                    {"unit", set.unit == kNone ? json() : json(layout.units[set.unit].path)}});
  }
  return {{"schema", layout.schema},
          {"length", layout.length},
          {"positions", PositionsName(layout.positions)},
          {"encoding", std::string(EncodingModeName(layout.encoding))},
          {"containers", std::move(containers)},
          {"sets", std::move(sets)}};
}

json UnitToJson(const Layout& layout, const LayoutUnit& unit, const Tokenizer& tokenizer) {
  const Recipe recipe = layout.RecipeOf(unit);
  json hidden = json::array();
  for (const RowRange& range : recipe.hidden) hidden.push_back({range.first, range.rows});
  return {{"path", unit.path},
          {"digest", unit.digest.ToHex()},
          {"mode", std::string(EncodingModeName(recipe.mode))},
          {"start", unit.start},
          {"tokens", unit.tokens},
          {"lifetime", LifetimeToJson(unit.lifetime)},
          {"context", TokensToJson(tokenizer, recipe.context)},
          {"own", TokensToJson(tokenizer, recipe.own)},
          {"hidden", std::move(hidden)}};
}

std::string TokenText(const Tokenizer& tokenizer, TokenId id) {
  const Result<std::string> bytes = tokenizer.TokenBytes(id);
  if (!bytes.ok()) return "\uFFFD";
  std::string out;
  for (size_t at = 0; at < bytes->size();) {
    const Utf8Character character = DecodeUtf8At(*bytes, at);
    if (character.bytes == 0) {
      out += "\uFFFD";
      at += Utf8FaultAt(*bytes, at).bytes;
    } else {
      out += bytes->substr(at, character.bytes);
      at += character.bytes;
    }
  }
  return out;
}

std::string PositionsName(Positions positions) {
  return positions == Positions::kPacked ? "packed" : "schema";
}

}  // namespace promptcache

// What the stages of the PML compiler made of a document: as JSON for programs and as text to read.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "common/text/tokenizer.h"
#include "coordinator/layout/layout.h"
#include "coordinator/pml/diagnostics.h"
#include "coordinator/pml/pieces.h"
#include "coordinator/pml/schema.h"

namespace promptcache {

// {"errors": [{id, severity, file, line, column, message, snippet, caret}], "warnings": [..]}
nlohmann::json DiagnosticsToJson(const Diagnostics& diagnostics);

// Markup and texts as the marker scan splits them.
nlohmann::json PiecesToJson(const PmlSource& source, std::span<const Piece> pieces);
std::string RenderPieces(const PmlSource& source, std::span<const Piece> pieces);

// The checked tree, without tokens.
nlohmann::json TreeToJson(const SchemaDocument& document);
std::string RenderTree(const SchemaDocument& document);

// Texts and slots with tokens and positions.
nlohmann::json LayoutToJson(const Layout& layout, const Tokenizer& tokenizer);
std::string RenderLayout(const Layout& layout);

// What is encoded, behind what. One unit: all of them together repeat their contexts.
nlohmann::json UnitToJson(const Layout& layout, const LayoutUnit& unit, const Tokenizer& tokenizer);
std::string RenderUnits(const Layout& layout);

// A token as it may be shown: bytes that are not UTF-8 as U+FFFD.
std::string TokenText(const Tokenizer& tokenizer, TokenId id);

// Names as PML writes them: "schema", "packed".
std::string PositionsName(Positions positions);
std::string LifetimeText(const Lifetime& lifetime);  // "ttl 1 h, pinned"; "-" for neither

}  // namespace promptcache

// Everything that can be said about a PML document: one table with an id, a text, an explanation
// and an example for each. Ids are stable: never renumbered, never used again for something else.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/text/toy_tokenizer.h"
#include "coordinator/pml/limits.h"

namespace promptcache {

enum class Severity : uint8_t { kError, kWarning };

// The hundreds say where in the pipeline a message comes from.
enum class PmlId : uint16_t {
  // The document: bytes, markup, limits (messages/document.cpp).
  kNotUtf8 = 101,
  kXmlVersion = 102,
  kEncoding = 103,
  kDoctype = 104,
  kInstruction = 105,
  kNotWellFormed = 106,
  kBareLessThan = 107,
  kBareAmpersand = 108,
  kIllegalCharacter = 109,
  kNamespace = 110,
  kStrayMarker = 111,
  kMalformedTag = 112,
  kMismatchedTag = 113,
  kUnclosedElement = 114,
  kCDataEnd = 115,
  kDashesInComment = 116,
  kUnclosedSection = 117,
  kOutsideRoot = 118,
  kRepeatedAttribute = 119,
  kLimitDocument = 120,
  kLimitDepth = 121,
  kLimitElements = 122,
  kLimitAttributes = 123,
  kLimitName = 124,
  kLimitAttributeValue = 125,
  kLimitPieces = 126,
  kNoElement = 127,

  // The schema as a tree (messages/schema.cpp).
  kWrongSchemaRoot = 201,
  kUnknownElement = 202,
  kMisplacedElement = 203,
  kMarkerSpelling = 204,
  kUnknownAttribute = 205,
  kMissingAttribute = 206,
  kBadValue = 207,
  kBadName = 208,
  kDuplicateModule = 209,
  kDuplicateParam = 210,
  kParamInSchema = 211,
  kParamLength = 212,
  kParamContent = 213,
  kTextInUnion = 214,
  kUnionScaffold = 215,
  kCacheInsideUncached = 216,
  kSetTooSmall = 217,
  kSetUnknownMember = 218,
  kSetRepeatedMember = 219,
  kSetExclusiveMembers = 220,
  kSetUncachedMember = 221,
  kSetContent = 222,
  kLimitUnits = 230,
  kLimitPath = 231,
  kLimitAllPaths = 232,

  // The prompt as a tree (messages/prompt.cpp).
  kWrongPromptRoot = 301,
  kPromptAttribute = 302,
  kPromptSchemaMissing = 303,
  kPromptSchemaName = 304,
  kPromptVersion = 305,
  kTextInReference = 306,
  kTextBeforeReference = 307,
  kEmptyPrompt = 308,
  kPromptMarkerSpelling = 309,

  // Tokens and positions (messages/layout.cpp).
  kSchemaOverContext = 401,
  kTooManyPositions = 402,
  kUntokenizable = 403,
  kScaffoldTooLong = 404,
  kRecipeOverContext = 405,
  kLimitSetTokens = 406,
  kNoPlaceholder = 407,

  // A prompt against its schema (messages/plan.cpp).
  kOtherSchema = 501,
  kUnknownModule = 502,
  kImportedTwice = 503,
  kTwoUnionMembers = 504,
  kUnknownArgument = 505,
  kArgumentTooLong = 506,
  kArgumentUntokenizable = 507,
  kGapTaken = 508,
  kGapTooSmall = 509,
  kPlanOverContext = 510,
  kNothingToGenerateFrom = 511,

  // Text from other files (messages/sources.cpp).
  kSourcePath = 601,
  kSourceOutside = 602,
  kSourceMissing = 603,
  kSourceNotUtf8 = 604,
  kSourceUnused = 605,
  kLimitSources = 606,

  // What `schema lint` warns of (messages/lint.cpp).
  kLintSmallModule = 701,
  kLintUnbalancedRoles = 702,
  kLintRoleSequence = 703,
  kLintUnreachable = 704,
  kLintOverlappingNames = 705,
  kLintWhitespaceTwins = 706,
  kLintLongScaffold = 707,
  kLintWastedPositions = 708,
  kLintNoAnchor = 709,
  kLintNearContext = 710,
};

// A document about which exactly this is said, at this place; the file where it is said is the
// prompt's when there is a prompt, else the schema's. Compiled with the toy tokenizer and the
// ChatML template.
struct PmlExample {
  std::string_view schema;  // empty: the prompt is not held against a schema
  std::string_view prompt;  // empty: it is about the schema
  uint32_t line = 1;
  uint32_t column = 1;
  PmlLimits limits = {};        // small ones, to show how they are exceeded
  uint32_t context_length = 0;  // of the model; 0: unlimited
  uint32_t max_new_tokens = 0;  // of the prompt
  ToyTokenizerOptions toy = {};
  std::string_view source_path = {};  // of the one file that comes with the schema
  std::string_view source_text = {};
};

struct PmlMessage {
  PmlId id = {};
  Severity severity = Severity::kError;
  std::string_view text;         // as fmt formats it; places for what the document says
  std::string_view explanation;  // why, and what to do about it: sentences
  PmlExample example;
};

// All messages, ascending by id.
std::span<const PmlMessage> PmlMessages();
// REQUIRES: the table has it (a test holds every PmlId against it).
const PmlMessage& MessageOf(PmlId id);
// "PML0203"
std::string PmlIdName(PmlId id);
// nullptr when `name` is no id of the table. Accepts "PML0203", in any case, and "203".
const PmlMessage* FindMessage(std::string_view name);

}  // namespace promptcache

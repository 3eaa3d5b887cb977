#include "coordinator/pml/messages/tables.h"

namespace promptcache::internal {
namespace {

constexpr PmlMessage kMessages[] = {
    {.id = PmlId::kSchemaOverContext,
     .text = "the schema '{}' takes {} positions; the model's context has {}",
     .explanation =
         "Under positions=\"schema\" every module keeps its place whether it is imported or not, "
         "so "
         "the whole schema has to fit into the model's context. Put alternatives into a <union>, "
         "whose members share their place, split the schema, or use positions=\"packed\", where "
         "only what is imported takes room.",
     .example = {.schema = "<schema name=\"s\">one two three four</schema>", .context_length = 3}},
    {.id = PmlId::kTooManyPositions,
     .text = "the schema '{}' has more than {} positions",
     .explanation =
         "Positions are numbers of 32 bits, and no model has a context that long. Most likely the "
         "lengths of parameters are too large: they are given in tokens, not in characters. Give "
         "each parameter the length that its values need.",
     .example = {.schema = "<schema name=\"s\"><module name=\"M\">"
                           "<param name=\"a\" length=\"16777216\"/><param name=\"b\" "
                           "length=\"16777216\"/><param name=\"c\" length=\"1\"/>"
                           "</module></schema>"}},
    {.id = PmlId::kUntokenizable,
     .text = "the text of '{}' cannot be tokenized: {}",
     .explanation =
         "The model's tokenizer refused the text for the reason that the message gives. The "
         "characters around the place are the ones to look at. Rewrite them, or serve a model "
         "whose "
         "tokenizer knows them.",
     .example = {.schema =
                     "<schema name=\"s\">\n<module name=\"M\">a-very-long-word</module></schema>",
                 .line = 2,
                 .column = 18,
                 .toy = {.max_word_bytes = 10}}},
    {.id = PmlId::kScaffoldTooLong,
     .text = "the scaffold of the parameter '{}' in '{}' has {} tokens; its slot has {}",
     .explanation =
         "The scaffold text of a parameter stands in its slot while the text around it is encoded, "
         "so it cannot be longer than the slot. Shorten the text or give the parameter a larger "
         "`length`.",
     .example = {.schema = "<schema name=\"s\"><module name=\"M\">\n"
                           "  <param name=\"city\" length=\"2\" scaffold=\"a b c\"/>\n"
                           "</module></schema>",
                 .line = 2,
                 .column = 33}},
    {.id = PmlId::kRecipeOverContext,
     .text = "the unit '{}' spans {} positions with what it is encoded behind; the model's context "
             "has {}",
     .explanation =
         "A module is encoded behind the earlier text of the containers around it, and both "
         "together have to fit into the model's context, whatever a prompt imports. Split the "
         "module, move the long text in front of it into a module of its own, or encode it by "
         "itself with encoding=\"independent\".",
     .example = {.schema = "<schema name=\"s\" positions=\"packed\">one two three\n"
                           "<module name=\"M\">four five</module></schema>",
                 .line = 2,
                 .column = 1,
                 .context_length = 5}},
    {.id = PmlId::kLimitSetTokens,
     .text =
         "the scaffold sets up to this one have more than {} tokens together, contexts included",
     .explanation =
         "Each scaffold set is encoded once more as a whole, so sets multiply the text they name. "
         "All sets of a schema together are limited, or a small document could ask for unbounded "
         "work. Declare fewer sets, or sets of fewer modules.",
     .example =
         {.schema =
              "<schema name=\"s\">\n<module name=\"A\">a</module><module name=\"B\">b</module>\n"
              "<scaffold modules=\"A B\"/></schema>",
          .line = 3,
          .limits = {.set_tokens = 3}}},
    {.id = PmlId::kNoPlaceholder,
     .text = "the schema '{}' has parameters, and the model's tokenizer has no token to stand in "
             "their slots",
     .explanation =
         "Under encoding=\"schema\" an empty slot is filled with the tokenizer's unknown token, or "
         "with one that ends a text. This tokenizer has neither. Use encoding=\"anchored\", where "
         "a "
         "slot is a gap.",
     .example = {.schema = "<schema name=\"s\" encoding=\"schema\"><module name=\"M\">"
                           "<param name=\"city\" length=\"3\"/></module></schema>",
                 .toy = {.has_unknown = false}}},
};

}  // namespace

std::span<const PmlMessage> LayoutMessages() { return kMessages; }

}  // namespace promptcache::internal

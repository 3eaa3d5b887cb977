#include "coordinator/pml/messages/tables.h"

namespace promptcache::internal {
namespace {

// The schema most examples are about.
constexpr std::string_view kSchema =
    "<schema name=\"s\">Hello<module name=\"A\">a <param name=\"p\" length=\"2\"/></module>"
    "<union><module name=\"X\">x</module><module name=\"Y\">y</module></union></schema>";

constexpr PmlMessage kMessages[] = {
    {.id = PmlId::kOtherSchema,
     .text = "the prompt is for the schema '{}', not '{}'",
     .explanation =
         "A prompt names the schema whose modules it imports, and it was held against another one. "
         "Give the schema that it names, or correct the attribute `schema`.",
     .example = {.schema = kSchema, .prompt = "<prompt schema=\"t\">Hi</prompt>", .column = 9}},
    {.id = PmlId::kUnknownModule,
     .text = "'{}' has no module {}{}",
     .explanation =
         "Each element of a prompt refers to a module by its name, at the level where the schema "
         "has it: modules inside a module are imported inside the reference to it. Correct the "
         "name, or put the reference where the module is.",
     .example = {.schema = kSchema,
                 .prompt = "<prompt schema=\"s\"><B/>Hi</prompt>",
                 .column = 20}},
    {.id = PmlId::kImportedTwice,
     .text = "the module '{}' is imported twice; it can be imported once",
     .explanation =
         "A module has one place in the schema, so a prompt can have its text once. Remove one of "
         "the references. Text that a prompt needs several times is written in the prompt.",
     .example = {.schema = kSchema,
                 .prompt = "<prompt schema=\"s\"><A/><A/>Hi</prompt>",
                 .column = 24}},
    {.id = PmlId::kTwoUnionMembers,
     .text = "'{}' and '{}' are members of one union in '{}'; only one can be imported",
     .explanation =
         "The members of a <union> share one place and exclude each other. Import one of them. "
         "Modules that may go together belong outside of a union.",
     .example = {.schema = kSchema,
                 .prompt = "<prompt schema=\"s\"><X/><Y/>Hi</prompt>",
                 .column = 24}},
    {.id = PmlId::kUnknownArgument,
     .text = "'{}' has no parameter {}{}",
     .explanation =
         "The attributes of a reference are arguments for the parameters of that module itself; "
         "parameters of modules inside it are given at their own references. Correct the name or "
         "move the argument.",
     .example = {.schema = kSchema,
                 .prompt = "<prompt schema=\"s\"><A q=\"1\"/>Hi</prompt>",
                 .column = 23}},
    {.id = PmlId::kArgumentTooLong,
     .text = "the argument '{}' of '{}' has {} tokens; its slot has {}",
     .explanation =
         "The schema reserves a number of tokens for each parameter, and the argument needs more. "
         "Shorten it, or give the parameter a larger `length` and register the schema again.",
     .example = {.schema = kSchema,
                 .prompt = "<prompt schema=\"s\"><A p=\"one two three\"/>Hi</prompt>",
                 .column = 23}},
    {.id = PmlId::kArgumentUntokenizable,
     .text = "the argument '{}' of '{}' cannot be tokenized: {}",
     .explanation =
         "The model's tokenizer refused the value for the reason that the message gives. Rewrite "
         "the value, or serve a model whose tokenizer knows its characters.",
     .example = {.schema = kSchema,
                 .prompt = "<prompt schema=\"s\"><A p=\"a-very-long-word\"/>Hi</prompt>",
                 .column = 23,
                 .toy = {.max_word_bytes = 10}}},
    {.id = PmlId::kGapTaken,
     .text = "the text behind '{}' falls into the same gap as another text of the prompt",
     .explanation =
         "Text between two references stands in the free positions behind the first of them. Here "
         "another text of the prompt begins at the same position, so their order would be a guess. "
         "Write both as one text, behind one of the references.",
     .example = {.schema =
                     "<schema name=\"s\"><module name=\"A\">a</module><module name=\"B\"/>"
                     "<module name=\"C\">c1 c2 c3</module><module name=\"D\">d</module></schema>",
                 .prompt = "<prompt schema=\"s\"><A/>one<B/>two<D/>three</prompt>",
                 .column = 31}},
    {.id = PmlId::kGapTooSmall,
     .text = "the text behind '{}' has {} tokens; {} positions are free there "
             "(positions=\"packed\" would make room)",
     .explanation =
         "Under positions=\"schema\" text between two references can only use positions that "
         "modules leave free which are not imported. Put the text behind the last reference, or "
         "register the schema with positions=\"packed\", where text between references takes the "
         "room that it needs.",
     .example = {.schema = kSchema,
                 .prompt = "<prompt schema=\"s\"><A/>too long<X/>Hi</prompt>",
                 .column = 24}},
    {.id = PmlId::kPlanOverContext,
     .text = "the prompt ends at position {} and asks for up to {} new tokens, {} together; the "
             "model's context has {}",
     .explanation =
         "The prompt and its answer have to fit into the model's context; under "
         "positions=\"schema\" the positions of modules that are not imported count too. Ask for "
         "fewer new tokens, shorten the prompt, or use positions=\"packed\".",
     .example = {.schema = kSchema,
                 .prompt = "<prompt schema=\"s\">Hi</prompt>",
                 .context_length = 10,
                 .max_new_tokens = 8}},
    {.id = PmlId::kNothingToGenerateFrom,
     .text = "the prompt has no token to generate from",
     .explanation =
         "An answer continues the last token of the prompt, and neither the schema's text nor the "
         "modules it imports nor the prompt itself has one. Add text, or ask for no new tokens to "
         "encode modules only.",
     .example = {.schema = "<schema name=\"s\"><module name=\"A\"/></schema>",
                 .prompt = "<prompt schema=\"s\"><A/></prompt>",
                 .max_new_tokens = 1}},
};

}  // namespace

std::span<const PmlMessage> PlanMessages() { return kMessages; }

}  // namespace promptcache::internal

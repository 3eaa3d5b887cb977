#include "coordinator/pml/messages/tables.h"

namespace promptcache::internal {
namespace {

constexpr PmlMessage kMessages[] = {
    {.id = PmlId::kWrongPromptRoot,
     .text = "the root of a prompt is <prompt>, not <{}>",
     .explanation = "A prompt is <prompt schema=\"NAME\"> with references to modules and text "
                    "inside. A schema "
                    "is registered, not sent as a prompt. Put <prompt> around the references.",
     .example = {.prompt = "<schema name=\"s\">Hello</schema>"}},
    {.id = PmlId::kPromptAttribute,
     .text = "<prompt>: unknown attribute {}; it has 'schema' only",
     .explanation =
         "What concerns the answer (model, length, sampling) is given beside the prompt, as "
         "options of the request. Arguments of parameters are attributes of the reference to the "
         "module. Remove the attribute.",
     .example = {.prompt = "<prompt schema=\"s\" model=\"m\">Hello</prompt>", .column = 20}},
    {.id = PmlId::kPromptSchemaMissing,
     .text = "<prompt>: the attribute 'schema' is missing",
     .explanation =
         "Every prompt says which registered schema it is written for: schema=\"NAME\", or "
         "schema=\"NAME@VERSION\" for one version of it. Add the attribute.",
     .example = {.prompt = "<prompt>Hello</prompt>"}},
    {.id = PmlId::kPromptSchemaName,
     .text = "<prompt>: schema: {}",
     .explanation =
         "No schema can have this name, so none is looked for. Names are letters, digits, '_', '.' "
         "and '-' and begin with a letter or '_'. Give the name that the schema's root element "
         "has.",
     .example = {.prompt = "<prompt schema=\"support desk\">Hello</prompt>", .column = 9}},
    {.id = PmlId::kPromptVersion,
     .text = "<prompt>: schema: no version behind the '@'; leave both out for the current one",
     .explanation = "schema=\"NAME@VERSION\" selects one registered version of a schema, "
                    "schema=\"NAME\" the one "
                    "that was registered last. `promptcache schema ls` shows the versions.",
     .example = {.prompt = "<prompt schema=\"s@\">Hello</prompt>", .column = 9}},
    {.id = PmlId::kTextInReference,
     .text = "text inside the reference <{}>: a reference holds references to its own modules only",
     .explanation =
         "A reference imports a module as the schema has it; it cannot add text in the middle. Put "
         "new text after the reference, or make a parameter in the module and give the text as its "
         "argument.",
     .example = {.prompt = "<prompt schema=\"s\">\n"
                           "  <rules>be kind</rules>\n"
                           "</prompt>",
                 .line = 2,
                 .column = 10}},
    {.id = PmlId::kTextBeforeReference,
     .text = "text before the first reference; put it after one",
     .explanation =
         "Text of a prompt stands behind the module that is imported before it, and there is none "
         "yet. A role marker is text too: open a role in the schema, or after the first reference. "
         "Move the text behind a reference; the order of references does not matter.",
     .example = {.prompt = "<prompt schema=\"s\">\n"
                           "  Please read this: <rules/>\n"
                           "</prompt>",
                 .line = 2,
                 .column = 3}},
    {.id = PmlId::kEmptyPrompt,
     .text = "the prompt is empty: it imports nothing and has no text",
     .explanation =
         "White space and comments are not text. Import a module, or write what the model should "
         "answer.",
     .example = {.prompt = "<prompt schema=\"s\"> <!-- nothing yet --> </prompt>"}},
    {.id = PmlId::kPromptMarkerSpelling,
     .text = "<{0}>: a role marker has no attributes and no white space inside: <{0}>",
     .explanation =
         "Role markers are <system>, <user> and <assistant>, their closing forms and <system/>, "
         "spelled exactly so. Any other spelling is taken for a reference to a module, and no "
         "module can have this name.",
     .example = {.prompt = "<prompt schema=\"s\">\n  <rules/>\n  <user >Hello</user >\n</prompt>",
                 .line = 3,
                 .column = 3}},
};

}  // namespace

std::span<const PmlMessage> PromptMessages() { return kMessages; }

}  // namespace promptcache::internal

#include "coordinator/pml/messages/tables.h"

namespace promptcache::internal {
namespace {

constexpr auto kWarning = Severity::kWarning;

constexpr PmlMessage kMessages[] = {
    {.id = PmlId::kLintSmallModule,
     .severity = kWarning,
     .text = "the module '{}' has {} tokens of its own; a unit of less than {} costs more to keep "
             "than to compute",
     .explanation =
         "Each module with text is encoded, named and stored by itself. A few tokens are computed "
         "faster than they are looked up. Put the text into a larger module, or into a parameter.",
     .example = {.schema = "<schema name=\"s\">You answer questions.\n"
                           "<module name=\"tone\">Be brief.</module></schema>",
                 .line = 2}},
    {.id = PmlId::kLintUnbalancedRoles,
     .severity = kWarning,
     .text = "{} {}",
     .explanation =
         "Role markers are text and may cross elements, but a model expects each role that begins "
         "to end and none to end that did not begin. A prompt may close a <user> or <assistant> "
         "that its schema opens; a <system> belongs to the schema. Add the missing marker or "
         "remove the one too many.",
     .example = {.schema = "<schema name=\"s\">\nYou answer questions.</system></schema>",
                 .line = 2}},
    {.id = PmlId::kLintRoleSequence,
     .severity = kWarning,
     .text = "{} {}: no chat template produces this sequence",
     .explanation =
         "Models are trained on conversations: a system text, then user and assistant in turns, "
         "none inside another. Another order is text that the model has never seen. Order the "
         "markers so, or write the roles as plain text.",
     .example = {.schema = "<schema name=\"s\"><user>Hello</user>\n"
                           "<module name=\"M\"><system>You answer questions at length and with "
                           "care.</system></module></schema>",
                 .line = 2,
                 .column = 18}},
    {.id = PmlId::kLintUnreachable,
     .severity = kWarning,
     .text = "nothing of '{}' can be reached: it has no text, no parameter and no module",
     .explanation =
         "Importing this module changes nothing. It may be a leftover, or its text went missing. "
         "Give it text or remove it.",
     .example = {.schema =
                     "<schema name=\"s\">You answer questions.\n<module name=\"M\"/></schema>",
                 .line = 2}},
    {.id = PmlId::kLintOverlappingNames,
     .severity = kWarning,
     .text = "the name '{}' in '{}' {}",
     .explanation =
         "The names are different things to the compiler, but easily mistaken for each other by "
         "who writes prompts. Choose names that tell them apart.",
     .example = {.schema = "<schema name=\"s\">You answer questions.<module name=\"Refunds\">"
                           "Money comes back within fourteen days of the order.</module>\n"
                           "<module name=\"refunds\">Vouchers are valid for two years from the "
                           "day of issue.</module></schema>",
                 .line = 2}},
    {.id = PmlId::kLintWhitespaceTwins,
     .severity = kWarning,
     .text = "the members '{}' and '{}' of a union in '{}' differ by white space only",
     .explanation =
         "Members of a union are alternatives, and these say the same. One of them may be a copy "
         "that was to be changed. Change its text or remove it.",
     .example = {.schema = "<schema name=\"s\">You answer questions.<union>"
                           "<module name=\"A\">Write to a child, in short words and sentences."
                           "</module>\n<module name=\"B\"> Write to a child, in short words  and "
                           "sentences.</module></union></schema>",
                 .line = 2}},
    {.id = PmlId::kLintLongScaffold,
     .severity = kWarning,
     .text = "the scaffold of the parameter '{}' in '{}' has {} of its slot's {} tokens",
     .explanation =
         "A scaffold text shows what kind of value stands in the slot. When it nearly fills the "
         "slot, values that are only a little longer will not fit. Give the parameter a larger "
         "`length` or a shorter scaffold.",
     .example = {.schema =
                     "<schema name=\"s\">You answer questions.\n"
                     "<module name=\"M\">Today the weather in the city of <param name=\"city\" "
                     "length=\"2\" scaffold=\"New York\"/> is fine.</module></schema>",
                 .line = 2}},
    {.id = PmlId::kLintWastedPositions,
     .severity = kWarning,
     .text = "a union in '{}' reserves {} positions; its shortest member uses {}, so that {} stay "
             "unused",
     .explanation =
         "Under positions=\"schema\" all members of a union have the room of the longest, and the "
         "model sees a gap behind a shorter one. Make the members similar in length, or use "
         "positions=\"packed\".",
     .example =
         {.schema =
              "<schema name=\"s\">You answer questions.<union>\n"
              "<module name=\"long\">1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 "
              "23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 "
              "49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 "
              "75 76 77 78 79 80</module>"
              "<module name=\"short\">1 2 3 4 5 6 7 8</module></union></schema>",
          .line = 2}},
    {.id = PmlId::kLintNoAnchor,
     .severity = kWarning,
     .text = "the schema '{}' has no text before its first module",
     .explanation =
         "Modules are encoded behind the text in front of them, which gives all of them one "
         "beginning to attend to; without it answers get worse. Begin the schema with the "
         "instructions that hold for every prompt.",
     .example = {.schema = "<schema name=\"s\"><module name=\"M\">Money comes back within fourteen "
                           "days of the order.</module></schema>"}},
    {.id = PmlId::kLintNearContext,
     .severity = kWarning,
     .text = "the schema '{}' takes {} of the model's {} positions; {} are left for prompts and "
             "answers",
     .explanation =
         "Under positions=\"schema\" the text of a prompt begins behind the whole schema, and the "
         "answer behind that, all within the model's context. Put alternatives into unions, split "
         "the schema, or use positions=\"packed\".",
     .example = {.schema =
                     "<schema name=\"s\">one two three four five six seven eight nine</schema>",
                 .context_length = 10}},
};

}  // namespace

std::span<const PmlMessage> LintMessages() { return kMessages; }

}  // namespace promptcache::internal

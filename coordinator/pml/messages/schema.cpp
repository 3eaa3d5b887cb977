#include "coordinator/pml/messages/tables.h"

namespace promptcache::internal {
namespace {

constexpr PmlMessage kMessages[] = {
    {.id = PmlId::kWrongSchemaRoot,
     .text = "{}: the root of a schema is <schema>",
     .explanation =
         "A schema document holds one <schema> element and everything else is inside it. A prompt "
         "is a document of its own, with the root <prompt>. Give the file that begins with "
         "<schema>.",
     .example = {.schema = "<module name=\"intro\">Hello</module>"}},
    {.id = PmlId::kUnknownElement,
     .text = "{}: unknown element{} (write &lt; for a literal '<')",
     .explanation =
         "A schema is made of <schema>, <module>, <union>, <param> and <scaffold>. Everything else "
         "that looks like a tag would be lost from the text, so it is refused. If the text means "
         "the characters themselves, write &lt; for '<' or put the text into a CDATA section.",
     .example = {.schema = "<schema name=\"s\">\n  <modul name=\"intro\">Hello</modul>\n</schema>",
                 .line = 2,
                 .column = 3}},
    {.id = PmlId::kMisplacedElement,
     .text = "{}: not allowed in <{}>, which holds {}",
     .explanation =
         "Each element has its places: modules stand in the schema, in modules and in unions; "
         "unions in the schema and in modules; parameters in modules; scaffold sets in the schema. "
         "Move the element, or put a module around it.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <union><param name=\"city\" length=\"3\"/></union>\n"
                           "</schema>",
                 .line = 2,
                 .column = 10}},
    {.id = PmlId::kMarkerSpelling,
     .text = "{}: a role marker has no attributes and no white space inside: <{}>",
     .explanation =
         "Role markers are <system>, <user> and <assistant>, their closing forms and <system/>, "
         "spelled exactly so. They are replaced by the model's chat template before elements are "
         "looked at; any other spelling is taken for an element, and there is none of this name.",
     .example = {.schema = "<schema name=\"s\">\n  <user >Hello</user >\n</schema>",
                 .line = 2,
                 .column = 3}},
    {.id = PmlId::kUnknownAttribute,
     .text = "{}: unknown attribute {}{}",
     .explanation =
         "An attribute that nobody reads would be a setting without effect, so it is refused. "
         "Correct its spelling or remove it. Remarks belong into `description` or a comment.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"intro\" chache=\"false\">Hello</module>\n"
                           "</schema>",
                 .line = 2,
                 .column = 24}},
    {.id = PmlId::kMissingAttribute,
     .text = "{}: the attribute '{}' is missing",
     .explanation =
         "The element means nothing without this attribute: schemas, modules and parameters are "
         "referred to by their `name`, a scaffold set is its `modules`. Add the attribute.",
     .example = {.schema = "<schema name=\"s\">\n  <module>Hello</module>\n</schema>",
                 .line = 2,
                 .column = 3}},
    {.id = PmlId::kBadValue,
     .text = "{}: {} {} is not {}",
     .explanation =
         "The attribute takes only the values that the message names, spelled exactly so: upper "
         "case and white space around a value count. Give one of them, or leave the attribute out "
         "for its default.",
     .example = {.schema = "<schema name=\"s\" whitespace=\"none\">Hello</schema>", .column = 18}},
    {.id = PmlId::kBadName,
     .text = "{}: {}",
     .explanation =
         "Names of modules become element names in prompts and names of parameters become "
         "attributes, so they are letters, digits, '_', '.' and '-', and begin with a letter or "
         "'_'. The names prompt, system, user, assistant and those that begin with xml are "
         "reserved. Choose another name.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"2nd part\">Hello</module>\n"
                           "</schema>",
                 .line = 2,
                 .column = 11}},
    {.id = PmlId::kDuplicateModule,
     .text = "{}: the module is already defined in line {}",
     .explanation =
         "A prompt imports a module by its name, so the modules of one scope have different names. "
         "Unions are transparent: their members share the scope of what is around the union. "
         "Rename one of the two, or put one into another module.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"intro\">Hello</module>\n"
                           "  <union><module name=\"intro\">Hi</module></union>\n"
                           "</schema>",
                 .line = 3,
                 .column = 10}},
    {.id = PmlId::kDuplicateParam,
     .text = "{}: the parameter is already defined in line {}",
     .explanation =
         "A prompt gives an argument by the parameter's name, so a module's parameters have "
         "different names. Rename one of them. A module inside of this one may use the name again.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"trip\">from <param name=\"city\" length=\"3\"/>\n"
                           "    to <param name=\"city\" length=\"3\"/></module>\n"
                           "</schema>",
                 .line = 3,
                 .column = 8}},
    {.id = PmlId::kParamInSchema,
     .text = "{}: parameters are not allowed in a schema, only in modules",
     .explanation =
         "Arguments are attributes of the reference to a module; the schema itself is not "
         "referred to, so nothing could fill this slot. Put the parameter, with the text it "
         "belongs to, into a module.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  Dear <param name=\"name\" length=\"4\"/>,\n"
                           "</schema>",
                 .line = 2,
                 .column = 8}},
    {.id = PmlId::kParamLength,
     .text = "{}: the parameter has {}; it takes one of 'length' and 'len', in tokens",
     .explanation =
         "A parameter reserves positions for its argument, so its length must be known when the "
         "schema is laid out: the most tokens an argument may have. Give it once, as `length` or "
         "as `len`.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"trip\">for <param name=\"days\"/> days</module>\n"
                           "</schema>",
                 .line = 2,
                 .column = 27}},
    {.id = PmlId::kParamContent,
     .text = "{}: the parameter has content; it must be empty",
     .explanation =
         "A parameter is a slot; what stands in it comes from the prompt. For text that stands "
         "there while the schema is encoded use the attribute `scaffold`. Close the element with "
         "'/>'.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"trip\"><param name=\"days\" length=\"3\">two</param>"
                           "</module>\n"
                           "</schema>",
                 .line = 2,
                 .column = 53}},
    {.id = PmlId::kTextInUnion,
     .text = "{}: text in a union, which holds <module> only",
     .explanation =
         "A union is a choice of one of its modules; text beside them would belong to none. Put "
         "the text into a module, or before or after the union. White space and comments are "
         "allowed.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <union>\n"
                           "    either <module name=\"a\">A</module>\n"
                           "  </union>\n"
                           "</schema>",
                 .line = 3,
                 .column = 5}},
    {.id = PmlId::kUnionScaffold,
     .text = "{}: the scaffold {} is no member of the union{}",
     .explanation =
         "A union's scaffold is the member that stands for the union while other text is encoded "
         "in the mode `schema`. It is the name of one of the union's own modules, not a path into "
         "one. Correct the name or remove the attribute.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <union scaffold=\"formel\">\n"
                           "    <module name=\"formal\">Sir</module>\n"
                           "  </union>\n"
                           "</schema>",
                 .line = 2,
                 .column = 10}},
    {.id = PmlId::kCacheInsideUncached,
     .text = "{}: cache 'true' inside a module with cache 'false'",
     .explanation =
         "cache=\"false\" covers a module and everything inside it: nothing of it is ever stored. "
         "Move the inner module out, or remove its attribute.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"account\" cache=\"false\">\n"
                           "    <module name=\"terms\" cache=\"true\">Terms</module>\n"
                           "  </module>\n"
                           "</schema>",
                 .line = 3,
                 .column = 26}},
    {.id = PmlId::kSetTooSmall,
     .text = "{}: a scaffold set has two or more modules, not {}",
     .explanation =
         "A scaffold set is encoded as one text so that its modules see each other; a single "
         "module already sees all of itself. Name the other modules, or remove the set.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"a\">A</module>\n"
                           "  <scaffold modules=\"a\"/>\n"
                           "</schema>",
                 .line = 3,
                 .column = 13}},
    {.id = PmlId::kSetUnknownMember,
     .text = "{}: the schema has no module {}{}",
     .explanation =
         "A set names modules by their paths from the schema on: `a` for a module of the schema, "
         "`a/b` for the module b inside of a. Unions have no name and are not part of a path, nor "
         "is the schema's own name. Correct the path.",
     .example = {.schema =
                     "<schema name=\"s\">\n"
                     "  <module name=\"rules\">R<module name=\"refunds\">F</module></module>\n"
                     "  <scaffold modules=\"rules refunds\"/>\n"
                     "</schema>",
                 .line = 3,
                 .column = 13}},
    {.id = PmlId::kSetRepeatedMember,
     .text = "{}: the module {} is named twice",
     .explanation =
         "Each module's text is once in the set's unit. Remove the second mention, or name the "
         "module that was meant.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"a\">A</module>\n"
                           "  <module name=\"b\">B</module>\n"
                           "  <scaffold modules=\"a b a\"/>\n"
                           "</schema>",
                 .line = 4,
                 .column = 13}},
    {.id = PmlId::kSetExclusiveMembers,
     .text = "{}: {} and {} are in different members of one union and never imported together",
     .explanation =
         "A set is used when all its modules are imported, and a prompt imports at most one member "
         "of a union, so this set could never be used. Make a set for each member of the union "
         "instead.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <union><module name=\"a\">A</module><module name=\"b\">B</module>"
                           "</union>\n"
                           "  <scaffold modules=\"a b\"/>\n"
                           "</schema>",
                 .line = 3,
                 .column = 13}},
    {.id = PmlId::kSetUncachedMember,
     .text =
         "{}: the module {} is never stored: it has cache 'false' or is inside a module that has",
     .explanation =
         "A set is encoded once and stored; text with cache=\"false\" is stored nowhere. Leave the "
         "module out of the set, or let it be cached.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"a\">A</module>\n"
                           "  <module name=\"b\" cache=\"false\">B</module>\n"
                           "  <scaffold modules=\"a b\"/>\n"
                           "</schema>",
                 .line = 4,
                 .column = 13}},
    {.id = PmlId::kSetContent,
     .text = "{}: the scaffold set has content; it must be empty",
     .explanation =
         "A scaffold set only names modules that stand elsewhere in the schema; its text is "
         "theirs. Move the content out and close the element with '/>'.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"a\">A</module>\n"
                           "  <module name=\"b\">B</module>\n"
                           "  <scaffold modules=\"a b\">together</scaffold>\n"
                           "</schema>",
                 .line = 4,
                 .column = 27}},
    {.id = PmlId::kLimitUnits,
     .text = "{}: more than {} units in a schema",
     .explanation =
         "The schema itself, every module and every scaffold set is a unit that is laid out, keyed "
         "and tracked, and their number is limited. Join small modules that are always imported "
         "together, or divide the schema.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"a\">A</module>\n"
                           "  <module name=\"b\">B</module>\n"
                           "</schema>",
                 .line = 3,
                 .column = 3,
                 .limits = {.units = 2}}},
    {.id = PmlId::kLimitPath,
     .text = "{}: the path has {} bytes; the limit is {}",
     .explanation =
         "A path joins the names of the schema, of the modules around it and of the module; of a "
         "scaffold set, of all its modules. Paths are kept with every unit and told with every "
         "answer, so their length is limited. Shorten the names, nest less deeply, or divide the "
         "set.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"terms\">\n"
                           "    <module name=\"refunds\">A</module>\n"
                           "  </module>\n"
                           "</schema>",
                 .line = 3,
                 .column = 5,
                 .limits = {.path_bytes = 14}}},
    {.id = PmlId::kLimitAllPaths,
     .text = "{}: the paths of the schema's modules and sets have more than {} bytes together",
     .explanation =
         "The path of every module and scaffold set is kept with its unit, so their sum is limited "
         "too. Shorten the names of modules that have many others inside, or divide the schema.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"a\">A</module>\n"
                           "  <module name=\"b\">B</module>\n"
                           "</schema>",
                 .line = 3,
                 .column = 3,
                 .limits = {.all_path_bytes = 6}}},
};

}  // namespace

std::span<const PmlMessage> SchemaMessages() { return kMessages; }

}  // namespace promptcache::internal

#include "coordinator/pml/messages/tables.h"

namespace promptcache::internal {
namespace {

constexpr PmlMessage kMessages[] = {
    {.id = PmlId::kSourcePath,
     .text = "{}: src {}: {}",
     .explanation =
         "A src names a file beside the schema, in the same way on every system: names with '/' "
         "between them, relative to the schema's own file. Correct the path, or rename the file.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"main\" src=\"src\\main.py\"/>\n"
                           "</schema>",
                 .line = 2,
                 .column = 23}},
    {.id = PmlId::kSourceOutside,
     .text = "{}: src {} leaves the schema's folder",
     .explanation =
         "A schema may come from somebody else, so it can only name files that lie beside it or "
         "below: no absolute path, no '..', and no link that leads out. Copy the file into the "
         "schema's folder.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"main\" src=\"../secret.txt\"/>\n"
                           "</schema>",
                 .line = 2,
                 .column = 23}},
    {.id = PmlId::kSourceMissing,
     .text = "{}: there is no file {}{}",
     .explanation =
         "The text of this element is in another file, and that file did not come with the schema. "
         "The path is relative to the schema's own file. Create the file, correct the path, or "
         "send the file along.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"main\" src=\"main.py\"/>\n"
                           "</schema>",
                 .line = 2,
                 .column = 23}},
    {.id = PmlId::kSourceNotUtf8,
     .text = "{}: the file {} is not UTF-8 (at byte {})",
     .explanation =
         "Text is tokenized as Unicode characters, and these bytes are none: the file has another "
         "encoding or is no text at all. Convert it to UTF-8, or name another file.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"main\" src=\"main.py\"/>\n"
                           "</schema>",
                 .line = 2,
                 .column = 23,
                 .source_path = "main.py",
                 .source_text = "caf\xE9"}},
    {.id = PmlId::kSourceUnused,
     .text = "<schema>: the file {} came with the schema, but {}",
     .explanation =
         "Every file that is sent along belongs to the schema's version, so one that nothing "
         "refers to is most likely a mistake in a path. Name it in a src, or do not send it.",
     .example = {.schema = "<schema name=\"s\">Hello</schema>",
                 .source_path = "main.py",
                 .source_text = "print()"}},
    {.id = PmlId::kLimitSources,
     .text = "<schema>: the document and its files have {} bytes; the limit is {}",
     .explanation =
         "The text of src files counts like text of the document. Leave out what a prompt will not "
         "need, or divide the schema.",
     .example = {.schema = "<schema name=\"s\" src=\"main.py\"/>",
                 .limits = {.document_bytes = 40},
                 .source_path = "main.py",
                 .source_text = "print('hello')"}},
};

}  // namespace

std::span<const PmlMessage> SourceMessages() { return kMessages; }

}  // namespace promptcache::internal

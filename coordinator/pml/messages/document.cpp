#include "coordinator/pml/messages/tables.h"

// The first place of most texts is where in the document it is: " in <module name='refunds'>", or
// nothing.
namespace promptcache::internal {
namespace {

constexpr PmlMessage kMessages[] = {
    {.id = PmlId::kNotUtf8,
     .text = "the document is not UTF-8{0}{1}",
     .explanation =
         "Documents are read as UTF-8 whatever an XML declaration says, and these bytes are no "
         "character in it. Save the file as UTF-8. Only the first such byte is reported.",
     .example = {.schema = "<schema name=\"s\">\n  caf\xE9\n</schema>", .line = 2, .column = 6}},
    {.id = PmlId::kXmlVersion,
     .text = "XML {1} is not XML '1.0'",
     .explanation = "PML is XML 1.0, and another version has other rules for characters. Write "
                    "version=\"1.0\", or leave the XML declaration out.",
     .example = {.schema = "<?xml version=\"1.1\"?>\n<schema name=\"s\">Hello</schema>",
                 .column = 16}},
    {.id = PmlId::kEncoding,
     .text = "the encoding {1} is not UTF-8",
     .explanation =
         "Documents are UTF-8, and a declaration that says something else is wrong about the text "
         "or about the file. Save the file as UTF-8 and write encoding=\"UTF-8\", or leave the "
         "declaration out.",
     .example = {.schema = "<?xml version=\"1.0\" encoding=\"latin1\"?>\n"
                           "<schema name=\"s\">Hello</schema>",
                 .column = 31}},
    {.id = PmlId::kDoctype,
     .text = "a DOCTYPE is not allowed{0}",
     .explanation =
         "A DOCTYPE can define entities, which let a small file become a huge one or read other "
         "files, so none is accepted. PML needs none: remove it, and write what its entities stand "
         "for. What comes behind it has not been looked at.",
     .example = {.schema = "<!DOCTYPE schema>\n<schema name=\"s\">Hello</schema>"}},
    {.id = PmlId::kInstruction,
     .text = "a processing instruction ('<?') is not allowed{0}",
     .explanation =
         "PML has no processing instructions, and an XML declaration stands at the very beginning "
         "of a document or nowhere. Remove it. If the text should contain it, write '&lt;?' or use "
         "a CDATA section.",
     .example = {.schema = "<schema name=\"s\">\n  <?php echo 1 ?>\n</schema>",
                 .line = 2,
                 .column = 3}},
    {.id = PmlId::kNotWellFormed,
     .text = "not well-formed XML{0}: {1}",
     .explanation =
         "The XML parser does not accept this. Its own words say what it missed and the place is "
         "where it stopped. Compare the line with how XML is written.",
     .example = {.schema = "<?xml encoding=\"UTF-8\"?>\n<schema name=\"s\">Hello</schema>",
                 .column = 23}},
    {.id = PmlId::kBareLessThan,
     .text = "a '<' that begins no tag{0}; write &lt; for the character",
     .explanation =
         "In XML a '<' begins a tag, so one that is meant as a character is written &lt; or stands "
         "in a CDATA section. `promptcache schema fix` rewrites all of them in a document.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"code\">if a < b: return</module>\n"
                           "</schema>",
                 .line = 2,
                 .column = 28}},
    {.id = PmlId::kBareAmpersand,
     .text = "an '&' that begins no reference{0}{1}; write &amp; for the character",
     .explanation =
         "In XML an '&' begins a reference: &lt; &gt; &amp; &quot; &apos; or the number of a "
         "character, such as &#160;. Other names are not known. Write &amp; for the character "
         "itself; `promptcache schema fix` rewrites all of them in a document.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"music\">soul and R&B</module>\n"
                           "</schema>",
                 .line = 2,
                 .column = 34}},
    {.id = PmlId::kIllegalCharacter,
     .text = "the character {1} is not allowed{0}",
     .explanation =
         "XML has no control characters other than tab and line breaks, also not as references. "
         "Such a character is mostly left over from copying. Remove it.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"a\">one\x0Ctwo</module>\n"
                           "</schema>",
                 .line = 2,
                 .column = 23}},
    {.id = PmlId::kNamespace,
     .text = "the name {1} has a colon{0}; names have no colon, for there are no namespaces",
     .explanation =
         "PML has no XML namespaces and no xml: attributes, so a colon in a name means nothing. "
         "Write the name without it.",
     .example = {.schema = "<schema name=\"s\" xml:lang=\"en\">Hello</schema>", .column = 18}},
    {.id = PmlId::kStrayMarker,
     .text = "a role marker outside the document's element",
     .explanation =
         "Role markers are part of the text around them, and outside the document's element there "
         "is no text. Move the marker inside.",
     .example = {.schema = "<system>\n<schema name=\"s\">Be kind.</schema>"}},
    {.id = PmlId::kMalformedTag,
     .text = "this tag is not well-formed{0}: {1}; write &lt; if no tag is meant",
     .explanation =
         "A tag is '<', a name, attributes as name=\"value\" with white space before each, and '>' "
         "or '/>'; a '<' in a value is written &lt;. Correct the tag. If its '<' is meant as a "
         "character, write &lt; for it, or let `promptcache schema fix` do so.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=rules>Be kind.</module>\n"
                           "</schema>",
                 .line = 2,
                 .column = 16}},
    {.id = PmlId::kMismatchedTag,
     .text = "</{1}>{0}, which is still open: it began in line {2}",
     .explanation =
         "Elements are closed in the opposite order of their opening, each by a tag with its own "
         "name. Close the inner one first, or correct the name. Further tags are not compared, as "
         "they would seem wrong only because of this one.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"a\">Hello\n"
                           "</schema>",
                 .line = 3}},
    {.id = PmlId::kUnclosedElement,
     .text = "<{1}>{0} is never closed",
     .explanation =
         "The document ends inside this element: part of it may be missing. Write the closing tag "
         "where the element ends, or '/>' at the end of its own tag when it is empty.",
     .example = {.schema = "<schema name=\"s\">\nHello\n"}},
    {.id = PmlId::kCDataEnd,
     .text = "']]>' in a text{0}; write ]]&gt;",
     .explanation =
         "XML keeps these three characters for the end of a CDATA section and allows them nowhere "
         "else in text. Write ]]&gt; for them.",
     .example = {.schema = "<schema name=\"s\">\n  if a[b[0]]>1:\n</schema>",
                 .line = 2,
                 .column = 11}},
    {.id = PmlId::kDashesInComment,
     .text = "'--' inside a comment{0}",
     .explanation =
         "In XML a comment holds no '--' and no '-' directly before its end. Use other characters, "
         "such as '==' for a line.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <!-- rules -- for all -->\n"
                           "</schema>",
                 .line = 2,
                 .column = 14}},
    {.id = PmlId::kUnclosedSection,
     .text = "this {1} is never closed{0}: there is no '{2}'",
     .explanation =
         "A comment goes up to '-->', a CDATA section up to ']]>', and without it the rest of the "
         "document would be part of it. Close it where it should end. What comes behind it has not "
         "been looked at.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <!-- rules\n"
                           "</schema>",
                 .line = 2,
                 .column = 3}},
    {.id = PmlId::kOutsideRoot,
     .text = "{1} outside the document's element",
     .explanation =
         "A document is one element, <schema> or <prompt>, with everything else inside. Before and "
         "behind it only white space and comments may stand. Move this inside, or remove it.",
     .example = {.schema = "<schema name=\"s\">Hello</schema>\nBe kind.\n", .line = 2}},
    {.id = PmlId::kRepeatedAttribute,
     .text = "the attribute {1} is given twice{0}",
     .explanation =
         "An element has each attribute once, as otherwise it would not be clear which value "
         "counts. Remove one of them.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"a\" name=\"b\">Hello</module>\n"
                           "</schema>",
                 .line = 2,
                 .column = 20}},
    {.id = PmlId::kLimitDocument,
     .text = "a document of {1} bytes; the limit is {2}",
     .explanation = "What is larger than the limit is not read at all, so that no document can "
                    "take the memory "
                    "of others. Divide it into several, or raise the limit.",
     .example = {.schema = "<schema name=\"s\">Hello</schema>", .limits = {.document_bytes = 30}}},
    {.id = PmlId::kLimitDepth,
     .text = "elements nested deeper than {1}{0}",
     .explanation =
         "Each level of nesting costs memory and no real document needs many. A closing tag may be "
         "missing. Put modules beside each other instead of inside, or raise the limit.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"a\"><module name=\"b\">Hello</module></module>\n"
                           "</schema>",
                 .line = 2,
                 .column = 20,
                 .limits = {.depth = 2}}},
    {.id = PmlId::kLimitElements,
     .text = "more than {1} elements{0}",
     .explanation =
         "The number of elements is limited, as each takes far more memory than its characters. "
         "Divide the document, or raise the limit.",
     .example = {.schema = "<schema name=\"s\">\n"
                           "  <module name=\"a\">A</module>\n"
                           "  <module name=\"b\">B</module>\n"
                           "</schema>",
                 .line = 3,
                 .column = 3,
                 .limits = {.elements = 2}}},
    {.id = PmlId::kLimitAttributes,
     .text = "an element with more than {1} attributes{0}",
     .explanation =
         "The number of attributes of one element is limited, and so is the number of arguments of "
         "a reference. Use fewer parameters in one module, or raise the limit.",
     .example = {.prompt =
                     "<prompt schema=\"s\"><trip from=\"Oslo\" to=\"Rome\" days=\"3\"/></prompt>",
                 .column = 48,
                 .limits = {.attributes = 2}}},
    {.id = PmlId::kLimitName,
     .text = "{1}{0}",
     .explanation =
         "Names of elements and attributes are limited in length. A quote may be missing before "
         "this. Use a shorter name, or raise the limit.",
     .example = {.prompt = "<prompt schema=\"s\"><terms-and-conditions/></prompt>",
                 .column = 21,
                 .limits = {.name_bytes = 16}}},
    {.id = PmlId::kLimitAttributeValue,
     .text = "{1}{0}",
     .explanation =
         "Values of attributes are limited in length, as written with their references. Long text "
         "belongs between tags: give it as text behind a reference instead of as an argument, or "
         "raise the limit.",
     .example = {.prompt = "<prompt schema=\"s\"><trip to=\"Reykjavik\"/></prompt>",
                 .column = 26,
                 .limits = {.attribute_bytes = 8}}},
    {.id = PmlId::kLimitPieces,
     .text = "more than {1} tags, comments, CDATA sections, role markers and texts{0}",
     .explanation =
         "What lies between two pieces of markup is one text, and the number of both together is "
         "limited, as each takes memory. Remove comments or empty sections, divide the document, "
         "or raise the limit.",
     .example = {.schema = "<schema name=\"s\">a<!-- 1 -->b<!-- 2 -->c</schema>",
                 .column = 30,
                 .limits = {.pieces = 4}}},
    {.id = PmlId::kNoElement,
     .text = "the document has no element",
     .explanation =
         "A document is one <schema> or <prompt> element, and there is none here. The file may be "
         "the wrong one, or empty.",
     .example = {.schema = "<!-- nothing yet -->\n"}},
};

}  // namespace

std::span<const PmlMessage> DocumentMessages() { return kMessages; }

}  // namespace promptcache::internal

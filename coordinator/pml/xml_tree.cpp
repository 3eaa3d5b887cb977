#include "coordinator/pml/xml_tree.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <xercesc/framework/MemBufInputSource.hpp>
#include <xercesc/sax/EntityResolver.hpp>
#include <xercesc/sax/Locator.hpp>
#include <xercesc/sax/SAXParseException.hpp>
#include <xercesc/sax2/Attributes.hpp>
#include <xercesc/sax2/DefaultHandler.hpp>
#include <xercesc/sax2/SAX2XMLReader.hpp>
#include <xercesc/sax2/XMLReaderFactory.hpp>
#include <xercesc/util/OutOfMemoryException.hpp>
#include <xercesc/util/PlatformUtils.hpp>
#include <xercesc/util/SecurityManager.hpp>
#include <xercesc/util/TransService.hpp>
#include <xercesc/util/XMLUni.hpp>

#include "coordinator/pml/scanner.h"

namespace promptcache {
namespace {

namespace xc = xercesc;

std::string ToUtf8(const XMLCh* text) {
  const xc::TranscodeToStr transcoded(text, "UTF-8");
  return {reinterpret_cast<const char*>(transcoded.str()), transcoded.length()};
}

// Thrown through Xerces-C to end a parse whose error is already reported.
struct StopParsing {};

// Xerces-C is initialized once for the life of the process.
void InitializeOnce() {
  static std::once_flag once;
  std::call_once(once, [] { xc::XMLPlatformUtils::Initialize(); });
}

// Builds the tree: the parser says what elements there are, the scanned pieces say where they and
// the text between them lie. Both come in document order.
class TreeBuilder : public xc::DefaultHandler {
 public:
  TreeBuilder(const PmlSource& source, const ScannedDocument& scanned, const PmlLimits& limits,
              Diagnostics& diagnostics)
      : source_(source), scanned_(scanned), limits_(limits), diagnostics_(diagnostics) {}

  std::unique_ptr<XmlElement> Take() { return std::move(root_); }

  void startElement(const XMLCh* /*uri*/, const XMLCh* /*local*/, const XMLCh* qname,
                    const xc::Attributes& attributes) override {
    const Piece& piece = AdvanceTo(PieceKind::kOpenTag, PieceKind::kEmptyTag);
    auto element = std::make_unique<XmlElement>();
    element->name = ToUtf8(qname);
    element->offset = piece.begin;
    CheckLimits(*element);
    AddAttributes(*element, piece, attributes);
    XmlElement* raw = element.get();
    if (open_.empty()) {
      root_ = std::move(element);
    } else {
      open_.back()->children.emplace_back(std::move(element));
    }
    open_.push_back(raw);
    in_empty_tag_ = piece.kind == PieceKind::kEmptyTag;
  }

  void endDocument() override {
    for (; next_ < scanned_.pieces.size(); ++next_) AddText(scanned_.pieces[next_]);
  }

  void endElement(const XMLCh* /*uri*/, const XMLCh* /*local*/, const XMLCh* /*qname*/) override {
    if (!in_empty_tag_) AdvanceTo(PieceKind::kCloseTag, PieceKind::kCloseTag);
    in_empty_tag_ = false;
    open_.pop_back();
  }

  void fatalError(const xc::SAXParseException& error) override {
    const size_t offset = source_.OffsetOfUtf16(static_cast<uint32_t>(error.getLineNumber()),
                                                static_cast<uint32_t>(error.getColumnNumber()));
    Fail(Blamed(offset), "not-well-formed",
         "not well-formed XML" + Where() + ": " + ToUtf8(error.getMessage()));
  }
  void error(const xc::SAXParseException& e) override { fatalError(e); }

  void startDTD(const XMLCh* /*name*/, const XMLCh* /*public_id*/,
                const XMLCh* /*system_id*/) override {
    Fail(0, "doctype", "a DOCTYPE is not allowed");
  }

  xc::InputSource* resolveEntity(const XMLCh* /*public_id*/, const XMLCh* /*system_id*/) override {
    static constexpr XMLByte kNothing = 0;
    return new xc::MemBufInputSource(&kNothing, 0, "entity");
  }

 private:
  [[noreturn]] void Fail(size_t offset, std::string_view id, const std::string& message) {
    diagnostics_.Error(offset, id, message);
    throw StopParsing();
  }

  // The parser stops behind what it cannot take: what that is, for mistakes in text and end tags.
  size_t Blamed(size_t offset) const {
    if (open_.empty() || offset <= source_.begin() || offset >= source_.text().size())
      return offset;
    const auto piece = std::upper_bound(scanned_.pieces.begin(), scanned_.pieces.end(), offset - 1,
                                        [](size_t at, const Piece& one) { return at < one.end; });
    if (piece->kind == PieceKind::kCloseTag && offset < piece->end) return piece->begin;
    if (piece->kind != PieceKind::kText) return offset;
    const std::string_view before = source_.text().substr(piece->begin, offset - piece->begin);
    const size_t reference = before.ends_with(';') ? before.rfind('&') : std::string_view::npos;
    if (reference != std::string_view::npos) return piece->begin + reference;
    size_t last = before.size() - 1;
    while (last > 0 && (static_cast<unsigned char>(before[last]) & 0xC0) == 0x80) --last;
    return piece->begin + last;
  }

  // " in <module name='refunds'>": the innermost open element.
  std::string Where() const {
    if (open_.empty()) return "";
    const XmlElement& element = *open_.back();
    const XmlAttribute* name = element.Find("name");
    return " in <" + element.name + (name == nullptr ? "" : " name=" + Quoted(name->value)) + ">";
  }

  // Consumes pieces up to the next tag, which must be of one of the kinds; text on the way joins
  // the open element.
  const Piece& AdvanceTo(PieceKind a, PieceKind b) {
    for (; next_ < scanned_.pieces.size(); ++next_) {
      const Piece& piece = scanned_.pieces[next_];
      if (piece.kind == a || piece.kind == b) {
        ++next_;
        return piece;
      }
      if (piece.kind == PieceKind::kOpenTag || piece.kind == PieceKind::kCloseTag ||
          piece.kind == PieceKind::kEmptyTag) {
        break;
      }
      AddText(piece);
    }
    Fail(next_ < scanned_.pieces.size() ? scanned_.pieces[next_].begin : source_.text().size(),
         "not-well-formed", "not well-formed XML" + Where() + ": this tag is not understood");
  }

  void AddText(const Piece& piece) {
    const bool is_text = piece.kind == PieceKind::kText || piece.kind == PieceKind::kCData ||
                         piece.kind == PieceKind::kMarker;
    if (!is_text) return;
    if (open_.empty()) {
      if (piece.kind == PieceKind::kMarker) {
        Fail(piece.begin, "stray-marker", "a role marker outside the document's element");
      }
      return;  // the parser allows only white space here
    }
    XmlText& text = OpenText();
    std::string_view raw = source_.text().substr(piece.begin, piece.end - piece.begin);
    if (piece.kind == PieceKind::kMarker) {
      text.AppendMarker(piece.marker, piece.begin);
    } else if (piece.kind == PieceKind::kText) {
      text.AppendRaw(raw, piece.begin);
    } else {
      raw.remove_prefix(std::string_view("<![CDATA[").size());
      raw.remove_suffix(std::string_view("]]>").size());
      text.AppendCData(raw, piece.begin);
    }
  }

  XmlText& OpenText() {
    auto& children = open_.back()->children;
    if (children.empty() || !std::holds_alternative<XmlText>(children.back())) {
      children.emplace_back(XmlText());
    }
    return std::get<XmlText>(children.back());
  }

  void CheckLimits(const XmlElement& element) {
    if (++elements_ > limits_.elements) {
      Fail(element.offset, "limit-elements",
           "more than " + std::to_string(limits_.elements) + " elements");
    }
    if (open_.size() + 1 > limits_.depth) {
      Fail(element.offset, "limit-depth",
           "elements nested deeper than " + std::to_string(limits_.depth));
    }
    CheckName(element.offset, element.name, "element");
  }

  void CheckName(size_t offset, const std::string& name, const std::string& what) {
    if (name.size() > limits_.name_bytes) {
      Fail(offset, "limit-name",
           what + " name " + Quoted(name) + " of " + std::to_string(name.size()) +
               " bytes; the limit is " + std::to_string(limits_.name_bytes));
    }
    if (name.find(':') != std::string::npos) {
      Fail(offset, "namespace", what + " name " + Quoted(name) + ": names have no colon");
    }
  }

  void AddAttributes(XmlElement& element, const Piece& piece, const xc::Attributes& attributes) {
    if (attributes.getLength() == 0) return;
    const auto places = FindAttributes(source_.text().substr(piece.begin, piece.end - piece.begin));
    for (XMLSize_t i = 0; i < attributes.getLength(); ++i) {
      XmlAttribute attribute{.name = ToUtf8(attributes.getQName(i)),
                             .value = ToUtf8(attributes.getValue(i)),
                             .offset = piece.begin};
      for (const auto& [name, at] : places) {
        if (name == attribute.name) attribute.offset = piece.begin + at;
      }
      CheckName(attribute.offset, attribute.name, "attribute");
      if (attribute.value.size() > limits_.attribute_bytes) {
        Fail(attribute.offset, "limit-attribute-value",
             "the value of the attribute '" + attribute.name + "' has " +
                 std::to_string(attribute.value.size()) + " bytes; the limit is " +
                 std::to_string(limits_.attribute_bytes));
      }
      element.attributes.push_back(std::move(attribute));
    }
  }

  const PmlSource& source_;
  const ScannedDocument& scanned_;
  const PmlLimits& limits_;
  Diagnostics& diagnostics_;
  std::unique_ptr<XmlElement> root_;
  std::vector<XmlElement*> open_;
  size_t next_ = 0;
  uint32_t elements_ = 0;
  bool in_empty_tag_ = false;
};

void Configure(xc::SAX2XMLReader& reader, xc::SecurityManager& security) {
  reader.setFeature(xc::XMLUni::fgSAX2CoreNameSpaces, false);
  reader.setFeature(xc::XMLUni::fgSAX2CoreNameSpacePrefixes, true);
  reader.setFeature(xc::XMLUni::fgSAX2CoreValidation, false);
  reader.setFeature(xc::XMLUni::fgXercesSchema, false);
  reader.setFeature(xc::XMLUni::fgXercesLoadExternalDTD, false);
  reader.setFeature(xc::XMLUni::fgXercesDisableDefaultEntityResolution, true);
  reader.setProperty(xc::XMLUni::fgXercesSecurityManager, &security);
}

void RunParser(const std::string& xml, TreeBuilder& builder) {
  InitializeOnce();
  const std::unique_ptr<xc::SAX2XMLReader> reader(xc::XMLReaderFactory::createXMLReader());
  xc::SecurityManager security;
  security.setEntityExpansionLimit(64);
  Configure(*reader, security);
  reader->setContentHandler(&builder);
  reader->setErrorHandler(&builder);
  reader->setEntityResolver(&builder);
  reader->setLexicalHandler(&builder);
  xc::MemBufInputSource input(reinterpret_cast<const XMLByte*>(xml.data()), xml.size(), "pml");
  input.setEncoding(xc::XMLUni::fgUTF8EncodingString);
  reader->parse(input);
}

}  // namespace

const XmlAttribute* XmlElement::Find(std::string_view attribute) const {
  for (const XmlAttribute& one : attributes) {
    if (one.name == attribute) return &one;
  }
  return nullptr;
}

std::string_view XmlElement::ValueOf(std::string_view attribute) const {
  const XmlAttribute* found = Find(attribute);
  return found == nullptr ? std::string_view() : found->value;
}

std::unique_ptr<XmlElement> ParseXml(const PmlSource& source, const PmlLimits& limits,
                                     Diagnostics& diagnostics) {
  if (source.text().size() > limits.document_bytes) {
    diagnostics.Error(0, "limit-document",
                      "a document of " + std::to_string(source.text().size()) +
                          " bytes; the limit is " + std::to_string(limits.document_bytes));
    return nullptr;
  }
  const ScannedDocument scanned = ScanDocument(source, limits, diagnostics);
  if (!diagnostics.ok()) return nullptr;
  TreeBuilder builder(source, scanned, limits, diagnostics);
  const auto unreadable = [&](const std::string& why) {
    diagnostics.Error(0, "unreadable", "not readable as XML: " + why);
  };
  try {
    RunParser(scanned.xml, builder);
  } catch (const StopParsing&) {
  } catch (const xc::OutOfMemoryException&) {
    unreadable("out of memory");
  } catch (const xc::XMLException& error) {
    unreadable(ToUtf8(error.getMessage()));
  } catch (const xc::SAXException& error) {
    unreadable(ToUtf8(error.getMessage()));
  } catch (const std::exception& error) {
    unreadable(error.what());
  }
  return diagnostics.ok() ? builder.Take() : nullptr;
}

}  // namespace promptcache

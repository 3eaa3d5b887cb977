#include "coordinator/pml/xml_tree.h"

#include <memory>
#include <mutex>
#include <xercesc/framework/MemBufInputSource.hpp>
#include <xercesc/sax/SAXParseException.hpp>
#include <xercesc/sax2/Attributes.hpp>
#include <xercesc/sax2/DefaultHandler.hpp>
#include <xercesc/sax2/SAX2XMLReader.hpp>
#include <xercesc/sax2/XMLReaderFactory.hpp>
#include <xercesc/util/OutOfMemoryException.hpp>
#include <xercesc/util/PlatformUtils.hpp>
#include <xercesc/util/XMLUni.hpp>

#include "common/text/utf8.h"
#include "coordinator/pml/markup.h"
#include "coordinator/pml/scanner.h"

namespace promptcache {
namespace {

namespace xc = xercesc;

// From the parser's UTF-16. It comes from UTF-8, so surrogates are in pairs.
std::string ToUtf8(const XMLCh* text) {
  std::string out;
  for (; *text != 0; ++text) {
    uint32_t code = *text;
    if (code >= 0xD800 && code < 0xDC00 && text[1] != 0) {
      code = 0x10000 + ((code & 0x3FF) << 10) + (*++text & 0x3FF);
    }
    AppendUtf8(code, out);
  }
  return out;
}

// Thrown through Xerces-C to end a parse whose error is already reported.
struct StopParsing {};

// Builds the tree: the parser says what elements there are, the scanned pieces say where they and
// the text between them lie. Both come in document order.
class TreeBuilder : public xc::DefaultHandler {
 public:
  TreeBuilder(const PmlSource& source, const ScannedDocument& scanned, Diagnostics& diagnostics)
      : source_(source), scanned_(scanned), diagnostics_(diagnostics) {}

  std::unique_ptr<XmlElement> Take() { return std::move(root_); }

  void startElement(const XMLCh* /*uri*/, const XMLCh* /*local*/, const XMLCh* qname,
                    const xc::Attributes& attributes) override {
    const Piece& piece = AdvanceTo(PieceKind::kOpenTag, PieceKind::kEmptyTag);
    auto element = std::make_unique<XmlElement>();
    element->name = ToUtf8(qname);
    element->offset = piece.begin;
    AddAttributes(*element, attributes);
    XmlElement* raw = element.get();
    if (open_.empty()) {
      root_ = std::move(element);
    } else {
      open_.back()->children.emplace_back(std::move(element));
    }
    open_.push_back(raw);
    in_empty_tag_ = piece.kind == PieceKind::kEmptyTag;
  }

  void endElement(const XMLCh* /*uri*/, const XMLCh* /*local*/, const XMLCh* /*qname*/) override {
    if (!in_empty_tag_) AdvanceTo(PieceKind::kCloseTag, PieceKind::kCloseTag);
    in_empty_tag_ = false;
    open_.pop_back();
  }

  void fatalError(const xc::SAXParseException& error) override {
    const PmlSource parsed("", scanned_.xml);
    const size_t offset = parsed.OffsetOfUtf16(static_cast<uint32_t>(error.getLineNumber()),
                                               static_cast<uint32_t>(error.getColumnNumber()));
    Fail(SourceOffset(scanned_.pieces, offset), ToUtf8(error.getMessage()));
  }
  void error(const xc::SAXParseException& e) override { fatalError(e); }

 private:
  [[noreturn]] void Fail(size_t offset, const std::string& why) {
    diagnostics_.Report(offset, PmlId::kNotWellFormed, Enclosing(source_, scanned_.pieces, offset),
                        why);
    throw StopParsing();
  }

  std::string_view TextOf(const Piece& piece) const {
    return source_.text().substr(piece.begin, piece.end - piece.begin);
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
      if (piece.kind >= PieceKind::kOpenTag) break;
      if (!open_.empty()) AddText(piece);
    }
    Fail(next_ < scanned_.pieces.size() ? scanned_.pieces[next_].begin : source_.text().size(),
         "this tag is not understood");
  }

  void AddText(const Piece& piece) {
    std::string_view raw = TextOf(piece);
    if (piece.kind == PieceKind::kMarker) {
      OpenText().AppendMarker(piece.marker, piece.begin);
    } else if (piece.kind == PieceKind::kText) {
      OpenText().AppendRaw(raw, piece.begin);
    } else if (piece.kind == PieceKind::kCData) {
      raw.remove_prefix(kCDataOpen.size());
      raw.remove_suffix(kCDataClose.size());
      OpenText().AppendCData(raw, piece.begin);
    }
  }

  XmlText& OpenText() {
    auto& children = open_.back()->children;
    if (children.empty() || !std::holds_alternative<XmlText>(children.back())) {
      children.emplace_back(XmlText());
    }
    return std::get<XmlText>(children.back());
  }

  // The parser gives values with references replaced and white space normalized, in the order of
  // the tag; the tag as written says where they are.
  void AddAttributes(XmlElement& element, const xc::Attributes& attributes) {
    const XMLSize_t count = attributes.getLength();
    if (count == 0) return;
    if (ReadTag(source_.text(), element.offset, kUnlimited, tag_) ||
        tag_.attributes.size() != count) {
      Fail(element.offset, "the attributes of this tag are not understood");
    }
    element.attributes.reserve(count);
    for (XMLSize_t i = 0; i < count; ++i) {
      element.attributes.push_back({.name = std::string(tag_.attributes[i].name),
                                    .value = ToUtf8(attributes.getValue(i)),
                                    .offset = tag_.attributes[i].offset});
    }
  }

  const PmlSource& source_;
  const ScannedDocument& scanned_;
  Diagnostics& diagnostics_;
  std::unique_ptr<XmlElement> root_;
  std::vector<XmlElement*> open_;
  Tag tag_;
  size_t next_ = 0;
  bool in_empty_tag_ = false;
};

// Xerces-C is initialized once for the life of the process.
void InitializeOnce() {
  static std::once_flag once;
  std::call_once(once, [] { xc::XMLPlatformUtils::Initialize(); });
}

// The scan has refused everything by which a document could make the parser read anything else.
std::unique_ptr<xc::SAX2XMLReader> MakeReader() {
  InitializeOnce();
  std::unique_ptr<xc::SAX2XMLReader> reader(xc::XMLReaderFactory::createXMLReader());
  reader->setProperty(xc::XMLUni::fgXercesScannerName,
                      const_cast<XMLCh*>(xc::XMLUni::fgWFXMLScanner));
  reader->setFeature(xc::XMLUni::fgSAX2CoreNameSpaces, false);
  reader->setFeature(xc::XMLUni::fgSAX2CoreNameSpacePrefixes, true);
  reader->setFeature(xc::XMLUni::fgSAX2CoreValidation, false);
  reader->setFeature(xc::XMLUni::fgXercesSchema, false);
  reader->setFeature(xc::XMLUni::fgXercesCalculateSrcOfs, false);
  reader->setFeature(xc::XMLUni::fgXercesLoadExternalDTD, false);
  reader->setFeature(xc::XMLUni::fgXercesDisableDefaultEntityResolution, true);
  return reader;
}

void RunParser(const std::string& xml, TreeBuilder& builder) {
  // Making a reader takes longer than parsing a usual prompt, so each thread keeps one; but none
  // that an exception went through or that grew with a large document.
  static thread_local std::unique_ptr<xc::SAX2XMLReader> kept;
  constexpr size_t kSmall = size_t{64} << 10;
  std::unique_ptr<xc::SAX2XMLReader> reader = kept ? std::move(kept) : MakeReader();
  reader->setContentHandler(&builder);
  reader->setErrorHandler(&builder);
  xc::MemBufInputSource input(reinterpret_cast<const XMLByte*>(xml.data()), xml.size(), "pml");
  input.setEncoding(xc::XMLUni::fgUTF8EncodingString);
  reader->parse(input);
  if (xml.size() <= kSmall) kept = std::move(reader);
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
    diagnostics.Report(source.begin(), PmlId::kLimitDocument, "", source.text().size(),
                       limits.document_bytes);
    return nullptr;
  }
  const ScannedDocument scanned = ScanDocument(source, limits, diagnostics);
  if (!diagnostics.ok()) return nullptr;
  TreeBuilder builder(source, scanned, diagnostics);
  const auto unreadable = [&](const std::string& why) {
    diagnostics.Report(source.begin(), PmlId::kNotWellFormed, "", why);
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

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

#include "common/text/utf8.h"
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
    CheckLimits(*element, attributes.getLength());
    for (XMLSize_t i = 0; i < attributes.getLength(); ++i) {
      AddAttribute(*element, ToUtf8(attributes.getQName(i)), ToUtf8(attributes.getValue(i)));
    }
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
    uint32_t column = static_cast<uint32_t>(error.getColumnNumber());
    const auto line = static_cast<uint32_t>(error.getLineNumber());
    if (line == 1 && source_.text().starts_with("\xEF\xBB\xBF")) ++column;
    diagnostics_.Error(source_.OffsetOfUtf16(line, column),
                       "not well-formed XML: " + ToUtf8(error.getMessage()));
    throw StopParsing();
  }
  void error(const xc::SAXParseException& e) override { fatalError(e); }

  void startDTD(const XMLCh* /*name*/, const XMLCh* /*public_id*/,
                const XMLCh* /*system_id*/) override {
    diagnostics_.Error(0, "a DOCTYPE is not allowed");
    throw StopParsing();
  }

  xc::InputSource* resolveEntity(const XMLCh* /*public_id*/, const XMLCh* /*system_id*/) override {
    static constexpr XMLByte kNothing = 0;
    return new xc::MemBufInputSource(&kNothing, 0, "entity");
  }

 private:
  [[noreturn]] void Fail(size_t offset, std::string message) {
    diagnostics_.Error(offset, std::move(message));
    throw StopParsing();
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
         "not well-formed XML: this tag is not understood");
  }

  void AddText(const Piece& piece) {
    const bool is_text = piece.kind == PieceKind::kText || piece.kind == PieceKind::kCData ||
                         piece.kind == PieceKind::kMarker;
    if (!is_text) return;
    if (open_.empty()) {
      if (piece.kind == PieceKind::kMarker) Fail(piece.begin, "a role marker outside the document");
      return;  // the parser allows only white space here
    }
    XmlText& text = OpenText(piece.begin);
    const std::string_view raw = source_.text().substr(piece.begin, piece.end - piece.begin);
    if (piece.kind == PieceKind::kMarker) {
      text.spans.push_back(
          {.kind = SpanKind::kMarker, .marker = piece.marker, .offset = piece.begin});
    } else if (piece.kind == PieceKind::kCData) {
      constexpr size_t kOpen = 9;   // <![CDATA[
      constexpr size_t kClose = 3;  // ]]>
      std::string inside;
      for (const DecodedSpan& span :
           DecodeLineBreaks(raw.substr(kOpen, raw.size() - kOpen - kClose)))
        inside += span.text;
      text.spans.push_back({.kind = SpanKind::kVerbatim, .text = inside, .offset = piece.begin});
    } else {
      for (DecodedSpan& span : DecodeText(raw)) {
        text.spans.push_back({.kind = span.verbatim ? SpanKind::kVerbatim : SpanKind::kLiteral,
                              .text = std::move(span.text),
                              .offset = piece.begin + span.offset});
      }
    }
  }

  // CDATA has line breaks to normalize but no references.
  static std::vector<DecodedSpan> DecodeLineBreaks(std::string_view raw) {
    std::vector<DecodedSpan> out(1, {.verbatim = true});
    for (size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] == '\r') {
        out[0].text.push_back('\n');
        if (i + 1 < raw.size() && raw[i + 1] == '\n') ++i;
      } else {
        out[0].text.push_back(raw[i]);
      }
    }
    return out;
  }

  XmlText& OpenText(size_t offset) {
    auto& children = open_.back()->children;
    if (children.empty() || !std::holds_alternative<XmlText>(children.back())) {
      children.emplace_back(XmlText{.offset = offset});
    }
    return std::get<XmlText>(children.back());
  }

  void CheckLimits(const XmlElement& element, size_t attributes) {
    if (++elements_ > limits_.elements) {
      Fail(element.offset, "more than " + std::to_string(limits_.elements) + " elements");
    }
    if (open_.size() + 1 > limits_.depth) {
      Fail(element.offset, "elements nested deeper than " + std::to_string(limits_.depth));
    }
    if (attributes > limits_.attributes) {
      Fail(element.offset, "<" + element.name + "> has " + std::to_string(attributes) +
                               " attributes; the limit is " + std::to_string(limits_.attributes));
    }
    CheckName(element.offset, element.name, "element");
  }

  void CheckName(size_t offset, const std::string& name, const char* what) {
    if (name.size() > limits_.name_bytes) {
      Fail(offset, std::string(what) + " name of " + std::to_string(name.size()) +
                       " bytes; the limit is " + std::to_string(limits_.name_bytes));
    }
    if (name.find(':') != std::string::npos) {
      Fail(offset, std::string(what) + " name '" + name + "': names have no colon");
    }
  }

  void AddAttribute(XmlElement& element, std::string name, std::string value) {
    CheckName(element.offset, name, "attribute");
    if (value.size() > limits_.attribute_bytes) {
      Fail(element.offset, "attribute '" + name + "' of " + std::to_string(value.size()) +
                               " bytes; the limit is " + std::to_string(limits_.attribute_bytes));
    }
    element.attributes.push_back({std::move(name), std::move(value)});
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

bool XmlText::blank() const {
  return std::all_of(spans.begin(), spans.end(), [](const TextSpan& span) {
    if (span.kind != SpanKind::kLiteral) return false;
    for (size_t at = 0; at < span.text.size();) {
      const Utf8Character character = DecodeUtf8At(span.text, at);
      if (!IsUnicodeSpace(character.code)) return false;
      at += std::max(1U, character.bytes);
    }
    return true;
  });
}

size_t XmlText::content_offset() const {
  for (const TextSpan& span : spans) {
    if (span.kind != SpanKind::kLiteral) return span.offset;
    for (size_t at = 0; at < span.text.size();) {
      const Utf8Character character = DecodeUtf8At(span.text, at);
      if (!IsUnicodeSpace(character.code)) return span.offset + at;
      at += std::max(1U, character.bytes);
    }
  }
  return offset;
}

std::unique_ptr<XmlElement> ParseXml(const PmlSource& source, const PmlLimits& limits,
                                     Diagnostics& diagnostics) {
  if (source.text().size() > limits.document_bytes) {
    diagnostics.Error(0, "a document of " + std::to_string(source.text().size()) +
                             " bytes; the limit is " + std::to_string(limits.document_bytes));
    return nullptr;
  }
  const ScannedDocument scanned = ScanDocument(source, diagnostics);
  if (!diagnostics.ok()) return nullptr;
  TreeBuilder builder(source, scanned, limits, diagnostics);
  try {
    RunParser(scanned.xml, builder);
  } catch (const StopParsing&) {
  } catch (const xc::OutOfMemoryException&) {
    diagnostics.Error(0, "out of memory");
  } catch (const xc::XMLException& error) {
    diagnostics.Error(0, "not readable as XML: " + ToUtf8(error.getMessage()));
  } catch (const xc::SAXException& error) {
    diagnostics.Error(0, "not readable as XML: " + ToUtf8(error.getMessage()));
  } catch (const std::exception& error) {
    diagnostics.Error(0, std::string("not readable as XML: ") + error.what());
  }
  return diagnostics.ok() ? builder.Take() : nullptr;
}

}  // namespace promptcache

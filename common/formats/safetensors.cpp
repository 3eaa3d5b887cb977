#include "common/formats/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "common/formats/json_events.h"

namespace promptcache {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100 << 20;
constexpr size_t kLengthBytes = 8;
constexpr size_t kMaxDims = 8;
// The list of tensors stays small beside the file.
constexpr size_t kFreeTensors = 128, kBytesPerTensor = 512;
constexpr int64_t kMaxElements = int64_t{1} << 40;  // as of a GGUF tensor

std::optional<GgufTensorType> TypeNamed(std::string_view name) {
  if (name == "F32") return GgufTensorType::kF32;
  if (name == "F16") return GgufTensorType::kF16;
  if (name == "BF16") return GgufTensorType::kBF16;
  return std::nullopt;
}

// Reads {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}, and
// "__metadata__", an object of strings, which means nothing here.
class HeaderReader : public JsonEvents {
 public:
  HeaderReader(std::span<const uint8_t> data, size_t max_tensors)
      : data_(data), max_tensors_(max_tensors) {}

  std::vector<StoredTensor> TakeTensors() { return std::move(tensors_); }

  bool start_object(size_t /*elements*/) override {
    if (depth_ == 2 || in_array_ || (depth_ == 1 && field_ != Field::kNone)) {
      return Unexpected("an object");
    }
    ++depth_;
    return true;
  }

  bool key(std::string& name) override { return depth_ == 1 ? StartTensor(name) : SetField(name); }

  bool string(std::string& value) override {
    if (depth_ != 2 || in_array_) return Unexpected("a string");
    if (in_metadata_) return true;
    if (field_ != Field::kDtype) return Unexpected("a string");
    type_ = TypeNamed(value);
    if (type_) return true;
    return Fail(Unimplemented(
        fmt::format("{}: the dtype {} is not supported; F32, F16 and BF16 are", Place(), value)));
  }

  bool start_array(size_t /*elements*/) override {
    if (depth_ != 2 || in_array_ || in_metadata_) return Unexpected("an array");
    if (field_ != Field::kShape && field_ != Field::kOffsets) return Unexpected("an array");
    in_array_ = true;
    return true;
  }

  bool number_unsigned(uint64_t value) override {
    if (!in_array_) return Unexpected("a number");
    const size_t limit = field_ == Field::kShape ? kMaxDims : 2;
    Numbers& numbers = field_ == Field::kShape ? shape_ : offsets_;
    if (numbers.count == limit) {
      return Fail(InvalidArgument(fmt::format("{}: more than {} numbers in {}", Place(), limit,
                                              field_ == Field::kShape ? "shape" : "data_offsets")));
    }
    numbers.values[numbers.count++] = value;
    return true;
  }

  bool end_array() override {
    in_array_ = false;
    return true;
  }

  bool end_object() override {
    --depth_;
    if (depth_ == 1 && !in_metadata_ && !AddTensor()) return false;
    in_metadata_ = false;
    field_ = Field::kNone;
    return true;
  }

 protected:
  std::string Place() const override {
    if (depth_ == 0) return "the header";
    return in_metadata_ ? "__metadata__" : "tensor '" + name_ + "'";
  }

 private:
  enum class Field : uint8_t { kNone, kDtype, kShape, kOffsets };
  struct Numbers {
    std::array<uint64_t, kMaxDims> values;
    size_t count = 0;
  };

  bool StartTensor(std::string& name) {
    name_ = std::move(name);
    type_.reset();
    shape_.count = offsets_.count = 0;
    seen_ = 0;
    in_metadata_ = name_ == "__metadata__";
    if (in_metadata_ || tensors_.size() < max_tensors_) return true;
    return Fail(
        InvalidArgument(fmt::format("more than {} tensors in a file of this size", max_tensors_)));
  }

  bool SetField(std::string_view name) {
    if (in_metadata_) return true;
    field_ = name == "dtype"          ? Field::kDtype
             : name == "shape"        ? Field::kShape
             : name == "data_offsets" ? Field::kOffsets
                                      : Field::kNone;
    const unsigned bit = 1u << static_cast<unsigned>(field_);
    if (field_ == Field::kNone || (seen_ & bit) != 0) {
      return Fail(
          InvalidArgument(fmt::format("{}: the field '{}' is {}", Place(), name,
                                      field_ == Field::kNone ? "not known" : "there twice")));
    }
    seen_ |= bit;
    return true;
  }
  bool AddTensor();

  const std::span<const uint8_t> data_;
  const size_t max_tensors_;
  std::vector<StoredTensor> tensors_;

  int depth_ = 0;
  bool in_metadata_ = false;
  bool in_array_ = false;
  Field field_ = Field::kNone;
  unsigned seen_ = 0;  // bits of fields
  std::string name_;
  std::optional<GgufTensorType> type_;
  Numbers shape_, offsets_;
};

// Turns what was read of a tensor into one that points at its bytes.
bool HeaderReader::AddTensor() {
  if (!type_ || offsets_.count != 2 ||
      (seen_ & (1u << static_cast<unsigned>(Field::kShape))) == 0) {
    return Fail(InvalidArgument(Place() + ": dtype, shape or two data_offsets are missing"));
  }
  uint64_t elements = 1;
  for (size_t i = 0; i < shape_.count; ++i) {
    if (shape_.values[i] > kMaxElements / std::max<uint64_t>(elements, 1)) {
      return Fail(InvalidArgument(
          fmt::format("{}: dimension {} of {} is out of range", Place(), i, shape_.values[i])));
    }
    elements *= shape_.values[i];
  }
  const auto [begin, end] = std::pair(offsets_.values[0], offsets_.values[1]);
  if (begin > end || end > data_.size()) {
    return Fail(InvalidArgument(
        fmt::format("{}: bytes {} to {} of the data, which has {} (is the file cut short?)",
                    Place(), begin, end, data_.size())));
  }
  StoredTensor tensor;
  tensor.type = *type_;
  tensor.sizes.assign(shape_.values.begin(), shape_.values.begin() + shape_.count);
  tensor.bytes = data_.subspan(begin, end - begin);
  const uint64_t needed = elements * BlockOf(*type_)->bytes;
  if (needed != tensor.bytes.size()) {
    return Fail(InvalidArgument(fmt::format("{}: {} of {} need {} bytes, its data_offsets give {}",
                                            Place(), GgufTypeName(*type_), SizesText(tensor.sizes),
                                            needed, tensor.bytes.size())));
  }
  tensor.name = std::move(name_);
  tensors_.push_back(std::move(tensor));
  return true;
}

Status CheckNamesDiffer(std::vector<StoredTensor>& tensors) {
  std::sort(tensors.begin(), tensors.end(),
            [](const StoredTensor& a, const StoredTensor& b) { return a.name < b.name; });
  const auto twice =
      std::adjacent_find(tensors.begin(), tensors.end(),
                         [](const auto& a, const auto& b) { return a.name == b.name; });
  if (twice == tensors.end()) return {};
  return InvalidArgument("tensor '" + twice->name + "' occurs twice");
}

// Sorts by place; the tensors then follow each other from the first byte of `data` to the last.
Status CheckTheyFillTheData(std::span<const uint8_t> data, std::vector<StoredTensor>& tensors) {
  const auto place = [](const StoredTensor& tensor) {
    return std::pair(tensor.bytes.data(), tensor.bytes.size());
  };
  std::sort(tensors.begin(), tensors.end(),
            [&](const StoredTensor& a, const StoredTensor& b) { return place(a) < place(b); });
  const uint8_t* next = data.data();
  const StoredTensor* ahead = nullptr;
  for (const StoredTensor& tensor : tensors) {
    if (tensor.bytes.data() < next) {
      return InvalidArgument(
          fmt::format("tensors '{}' and '{}' overlap", ahead->name, tensor.name));
    }
    if (tensor.bytes.data() > next) {
      return InvalidArgument(fmt::format("tensor '{}': {} bytes before offset {} belong to none",
                                         tensor.name, tensor.bytes.data() - next,
                                         tensor.bytes.data() - data.data()));
    }
    next += tensor.bytes.size();
    ahead = &tensor;
  }
  const auto rest = data.data() + data.size() - next;
  if (rest == 0) return {};
  return InvalidArgument(fmt::format("the last {} bytes belong to no tensor", rest));
}

}  // namespace

Result<std::vector<StoredTensor>> ParseSafetensors(std::span<const uint8_t> bytes) {
  if (bytes.size() < kLengthBytes) return InvalidArgument("the file ends inside the header's size");
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  const auto rest = bytes.subspan(kLengthBytes);
  if (length > kMaxHeaderBytes || length > rest.size()) {
    return InvalidArgument(
        fmt::format("a header of {} bytes; at most {} are read, the file has {} (not a safetensors "
                    "file, or cut short?)",
                    length, kMaxHeaderBytes, rest.size()));
  }
  const std::string_view header(reinterpret_cast<const char*>(rest.data()), length);
  if (header.empty() || header.front() != '{') {
    return InvalidArgument("not a safetensors file: the header does not begin with '{'");
  }
  const auto data = rest.subspan(length);
  HeaderReader reader(data, kFreeTensors + bytes.size() / kBytesPerTensor);
  if (Status fault = reader.Read(header); !fault.ok()) return fault.WithContext("header");
  std::vector<StoredTensor> tensors = reader.TakeTensors();
  PC_RETURN_IF_ERROR(CheckNamesDiffer(tensors));
  PC_RETURN_IF_ERROR(CheckTheyFillTheData(data, tensors));
  return tensors;
}

}  // namespace promptcache

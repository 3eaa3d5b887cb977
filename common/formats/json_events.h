// JSON from outside, read value by value: no tree is built, so that memory does not follow the
// text. Internal to common/formats.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "common/status.h"

namespace promptcache {

// A reader overrides the events it knows; all others are faults. A reader object reads once.
class JsonEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  // The reader's first fault, or kInvalidArgument "at byte N: ..." where `json` is no JSON. A
  // string or number may be 4 KiB and a sixteenth of the text long: what is buffered of it is then
  // small beside the text.
  Status Read(std::string_view json);

  bool null() override { return Unexpected("null"); }
  bool boolean(bool /*value*/) override { return Unexpected("a boolean"); }
  bool number_integer(int64_t /*value*/) override { return Unexpected("a negative number"); }
  bool number_unsigned(uint64_t /*value*/) override { return Unexpected("a number"); }
  bool number_float(double /*value*/, const std::string& /*text*/) override {
    return Unexpected("a number that is not whole");
  }
  bool string(std::string& /*value*/) override { return Unexpected("a string"); }
  bool binary(binary_t& /*value*/) override { return Unexpected("binary data"); }
  bool start_object(size_t /*elements*/) override { return Unexpected("an object"); }
  bool key(std::string& /*name*/) override { return Unexpected("a key"); }
  bool end_object() override { return true; }
  bool start_array(size_t /*elements*/) override { return Unexpected("an array"); }
  bool end_array() override { return true; }
  bool parse_error(size_t position, const std::string& last_token,
                   const nlohmann::detail::exception& error) final;

 protected:
  // Ends the reading; false, which an event returns.
  bool Fail(Status fault);
  // Where the reader is: "tensor 'x'"; for faults.
  virtual std::string Place() const = 0;
  bool Unexpected(std::string_view what);

 private:
  Status fault_;
};

}  // namespace promptcache

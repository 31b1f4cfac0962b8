// Reading JSON that people send. Whatever is wrong with it is thrown as Wrong, whose error names the field (OpenAI's
// `param`), and caught where the request came in (api.cc).
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/api_error.h"

namespace loquat::serve::api {

using Json = nlohmann::ordered_json;

struct Wrong {
  ApiError error;
};

[[noreturn]] void wrong(const std::string& param, const std::string& message, const std::string& code);

// Bytes that are no UTF-8 become U+FFFD: replies come from models.
std::string dump(const Json& json);

// The body as an object. Bounded: nesting (base/json_depth.h) and members of one object; of a name that comes twice,
// the last value counts.
Json parse_object(const std::string& body);

// Whether `text` is JSON of an object, within the same bounds.
bool is_json_object(const std::string& text);

// An object's members by name. Absent and null are alike: not given.
class Fields {
 public:
  // `path` stands before the names in messages: "stream_options" gives 'stream_options.include_usage'.
  explicit Fields(const Json& object, std::string path = "");

  std::string path(std::string_view name) const;
  const Json* given(std::string_view name) const;
  double number(std::string_view name, double fallback, double low, double high) const;
  int64_t integer(std::string_view name, int64_t fallback, int64_t low, int64_t high) const;
  bool flag(std::string_view name, bool fallback) const;
  std::optional<std::string> text(std::string_view name) const;
  std::string required_text(std::string_view name) const;
  std::optional<Fields> object(std::string_view name) const;
  const Json* list(std::string_view name) const;

  // Refuses every name that is not in `known`.
  void only(const std::vector<std::string_view>& known) const;
  void refuse(std::string_view name, const std::string& why) const;  // where it is given

 private:
  const Json* object_;
  std::string path_;
};

}  // namespace loquat::serve::api

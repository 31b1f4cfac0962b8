#include "serve/api/json.h"

#include <fmt/core.h>

#include <algorithm>
#include <climits>

#include "base/json_depth.h"

namespace loquat::serve::api {
namespace {

// Objects keep their members' order, and so look them up one by one: a body of a hundred thousand members in one object
// would take minutes.
constexpr size_t kMaxMembers = 1024;

// Walks over the text without keeping it: finds what is wrong, and in which of the body's fields.
class Checker : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(size_t) override { return open(); }
  bool start_array(size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (members_.size() == 1) field_ = name;
    if (++members_.back() > kMaxMembers) {
      return fail(fmt::format("An object has more than {} members.", kMaxMembers), "invalid_value");
    }
    return true;
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& found) override {
    constexpr int kNumberOverflow = 406;
    if (found.id == kNumberOverflow) return fail("A number is too large.", "invalid_value");
    field_.clear();
    return fail(fmt::format("The body is not valid JSON (at byte {}).", position), "invalid_json");
  }

  std::optional<ApiError> error;

 private:
  bool open() {
    members_.push_back(0);
    if (members_.size() <= kMaxJsonDepth) return true;
    return fail(fmt::format("The body nests deeper than {}.", kMaxJsonDepth), "invalid_json");
  }
  bool close() {
    members_.pop_back();
    return true;
  }
  bool fail(const std::string& message, const std::string& code) {
    error = ApiError{400, message, "invalid_request_error", field_, code};
    return false;
  }

  std::vector<size_t> members_;  // of the objects and arrays that are open
  std::string field_;            // the outermost object's member that is being read
};

}  // namespace

void wrong(const std::string& param, const std::string& message, const std::string& code) {
  throw Wrong{{400, message, "invalid_request_error", param, code}};
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json parse_object(const std::string& body) {
  Checker checker;
  if (!Json::sax_parse(body, &checker)) throw Wrong{*checker.error};
  Json json = Json::parse(body);
  if (!json.is_object()) wrong("", "The body must be a JSON object.", "invalid_type");
  return json;
}

bool is_json_object(const std::string& text) {
  Checker checker;
  if (!Json::sax_parse(text, &checker)) return false;
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string::npos && text[first] == '{';
}

Fields::Fields(const Json& object, std::string path) : object_(&object), path_(std::move(path)) {
  if (!object.is_object()) wrong(path_, fmt::format("'{}' must be an object.", path_), "invalid_type");
}

std::string Fields::path(std::string_view name) const {
  return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

const Json* Fields::given(std::string_view name) const {
  const auto found = object_->find(std::string(name));
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

double Fields::number(std::string_view name, double fallback, double low, double high) const {
  const Json* value = given(name);
  if (!value) return fallback;
  if (!value->is_number()) wrong(path(name), fmt::format("'{}' must be a number.", path(name)), "invalid_type");
  const double x = value->get<double>();
  if (!(x >= low && x <= high)) {
    wrong(path(name), fmt::format("'{}' is {}; it must be between {} and {}.", path(name), value->dump(), low, high),
          "invalid_value");
  }
  return x;
}

int64_t Fields::integer(std::string_view name, int64_t fallback, int64_t low, int64_t high) const {
  const Json* value = given(name);
  if (!value) return fallback;
  if (!value->is_number_integer()) {
    wrong(path(name), fmt::format("'{}' must be an integer.", path(name)), "invalid_type");
  }
  const bool too_big = value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX);
  if (too_big || value->get<int64_t>() < low || value->get<int64_t>() > high) {
    wrong(path(name), fmt::format("'{}' is {}; it must be between {} and {}.", path(name), value->dump(), low, high),
          "invalid_value");
  }
  return value->get<int64_t>();
}

bool Fields::flag(std::string_view name, bool fallback) const {
  const Json* value = given(name);
  if (!value) return fallback;
  if (!value->is_boolean()) wrong(path(name), fmt::format("'{}' must be true or false.", path(name)), "invalid_type");
  return value->get<bool>();
}

std::optional<std::string> Fields::text(std::string_view name) const {
  const Json* value = given(name);
  if (!value) return std::nullopt;
  if (!value->is_string()) wrong(path(name), fmt::format("'{}' must be a string.", path(name)), "invalid_type");
  return value->get<std::string>();
}

std::string Fields::required_text(std::string_view name) const {
  auto value = text(name);
  if (!value) wrong(path(name), fmt::format("'{}' is missing.", path(name)), "missing_required_parameter");
  return *std::move(value);
}

std::optional<Fields> Fields::object(std::string_view name) const {
  const Json* value = given(name);
  if (!value) return std::nullopt;
  return Fields(*value, path(name));
}

const Json* Fields::list(std::string_view name) const {
  const Json* value = given(name);
  if (value && !value->is_array()) wrong(path(name), fmt::format("'{}' must be a list.", path(name)), "invalid_type");
  return value;
}

void Fields::only(const std::vector<std::string_view>& known) const {
  for (const auto& [name, value] : object_->items()) {
    if (!value.is_null() && std::find(known.begin(), known.end(), name) == known.end()) {
      wrong(path(name), fmt::format("'{}' is not a parameter of this request.", path(name)), "unknown_parameter");
    }
  }
}

void Fields::refuse(std::string_view name, const std::string& why) const {
  if (given(name))
    wrong(path(name), fmt::format("'{}' is not supported: {}.", path(name), why), "unsupported_parameter");
}

}  // namespace loquat::serve::api

// Filters of numbers, default, and Python's % formatting.
#include <charconv>
#include <cmath>

#include "jinja/builtins.h"

namespace loquat::jinja {

namespace {

// As Python's int() and float() read a string: spaces around, and underscores between digits.
std::string number_text(const Text& text) {
  const Range kept = stripped(text.bytes, nullptr, true, true);
  std::string digits;
  for (size_t i = kept.begin; i < kept.end; ++i) {
    const bool between = text.bytes[i] == '_' && i > kept.begin && i + 1 < kept.end && text.bytes[i - 1] != '_';
    if (!between) digits += text.bytes[i];
  }
  return digits.starts_with('+') && !digits.starts_with("+-") ? digits.substr(1) : digits;
}

std::optional<double> to_double(const Text& text) {
  const std::string digits = number_text(text);
  if (digits.find_first_of("xXpP(") != std::string::npos) return std::nullopt;
  double value = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || read.ptr != digits.data() + digits.size() || read.ec != std::errc()) return std::nullopt;
  return value;
}

std::optional<int64_t> whole(double value) {
  if (!(std::abs(value) < 9.2e18)) return std::nullopt;
  return static_cast<int64_t>(value);
}

Result<Value> to_integer(Context&, const Value& input, const Args& args) {
  TRY(const auto bound, bind(args, {{"default", Value(int64_t{0})}, {"base", Value(int64_t{10})}}));
  TRY(const int64_t base, want_integer(bound[1], "int"));
  if (base < 2 || base > 36) return Err("int: a base of {}", base);
  if (const auto* u = input.as<Undefined>()) return Err("int: {}", u->reason());
  if (const auto i = input.integer()) return Value(*i);
  if (const auto* d = input.as<double>()) {
    const auto i = whole(*d);
    return i ? Value(*i) : bound[0];
  }
  const Text* text = input.text();
  if (!text) return bound[0];
  std::string digits = number_text(*text);
  const bool negative = digits.starts_with('-');
  const size_t mark = negative ? 1 : 0;
  if (base == 16 && (digits.compare(mark, 2, "0x") == 0 || digits.compare(mark, 2, "0X") == 0)) digits.erase(mark, 2);
  int64_t value = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value, static_cast<int>(base));
  if (!digits.empty() && read.ptr == digits.data() + digits.size() && read.ec == std::errc()) return Value(value);
  if (const auto d = to_double(*text)) {
    if (const auto i = whole(*d)) return Value(*i);
  }
  return bound[0];
}

Result<Value> to_float(Context&, const Value& input, const Args& args) {
  TRY(const auto bound, bind(args, {{"default", Value(0.0)}}));
  if (const auto* u = input.as<Undefined>()) return Err("float: {}", u->reason());
  if (const auto d = input.number()) return Value(*d);
  if (const Text* text = input.text()) {
    if (const auto d = to_double(*text)) return Value(*d);
  }
  return bound[0];
}

Result<Value> absolute(Context& context, const Value& input, const Args& args) {
  TRY(const auto none, bind(args, {}));
  if (const auto* d = input.as<double>()) return Value(std::abs(*d));
  TRY(const int64_t i, want_integer(input, "abs"));
  return i < 0 ? operate(Op::kSub, Value(int64_t{0}), Value(i), context.budget) : Result<Value>(Value(i));
}

// Python's round(): the nearest decimal of so many digits, exactly halfway to the even one.
double rounded(double value, int64_t digits) {
  if (!std::isfinite(value) || digits > 300) return value;
  if (digits < 0) {
    const double scale = std::pow(10.0, static_cast<double>(-std::max<int64_t>(digits, -308)));
    return std::nearbyint(value / scale) * scale;
  }
  const std::string text = fmt::format("{:.{}f}", value, digits);
  double result = 0;
  std::from_chars(text.data(), text.data() + text.size(), result);
  return result;
}

Result<Value> round(Context&, const Value& input, const Args& args) {
  TRY(const auto bound, bind(args, {{"precision", Value(int64_t{0})}, {"method", Value::own("common")}}));
  TRY(const int64_t digits, want_integer(bound[0], "round"));
  TRY(const Text* method, want_text(bound[1], "round"));
  if (const auto* u = input.as<Undefined>()) return Err("round: {}", u->reason());
  const auto number = input.number();
  if (!number) return Err("round: expected a number, found a {}", type_name(input));
  if (method->bytes == "common") {
    const auto i = input.integer();
    if (i && digits >= 0) return Value(*i);
    const double result = rounded(*number, digits);
    return i ? Value(static_cast<int64_t>(result)) : Value(result);
  }
  const double scale = std::pow(10.0, static_cast<double>(digits));
  if (method->bytes == "ceil") return Value(std::ceil(*number * scale) / scale);
  if (method->bytes == "floor") return Value(std::floor(*number * scale) / scale);
  return Err("round: expected the method common, ceil or floor, found '{}'", method->bytes);
}

Result<Value> or_default(Context&, const Value& input, const Args& args) {
  TRY(const auto bound, bind(args, {{"default_value", Value::own("")}, {"boolean", Value(false)}}));
  const bool missing = input.is_undefined() || (truthy(bound[1]) && !truthy(input));
  return missing ? bound[0] : input;
}

// One conversion of a % pattern: %[(name)][flags][width][.precision]type.
struct Conversion {
  std::string name;
  bool left = false, plus = false, space = false, zero = false;
  int width = 0, precision = -1;
  char type = 's';
};

Result<Conversion> read_conversion(const std::string& pattern, size_t& at) {
  Conversion made;
  if (at < pattern.size() && pattern[at] == '(') {
    const size_t end = pattern.find(')', at);
    if (end == std::string::npos) return Err("format: '%(' has no ')'");
    made.name = pattern.substr(at + 1, end - at - 1);
    at = end + 1;
  }
  for (; at < pattern.size() && std::string_view("-+ 0#").find(pattern[at]) != std::string_view::npos; ++at) {
    made.left = made.left || pattern[at] == '-';
    made.plus = made.plus || pattern[at] == '+';
    made.space = made.space || pattern[at] == ' ';
    made.zero = made.zero || pattern[at] == '0';
  }
  const auto digits = [&](int& number) {
    for (; at < pattern.size() && pattern[at] >= '0' && pattern[at] <= '9' && number < 1000; ++at) {
      number = number * 10 + (pattern[at] - '0');
    }
  };
  digits(made.width);
  if (at < pattern.size() && pattern[at] == '.') {
    ++at;
    made.precision = 0;
    digits(made.precision);
  }
  if (at >= pattern.size()) return Err("format: the pattern ends after '%'");
  if (made.width > 1000 || made.precision > 300) return Err("format: a width above 1000 or a precision above 300");
  made.type = pattern[at++];
  return made;
}

Result<Text> converted(const Conversion& how, const Value& value, Budget& budget) {
  const int precision = how.precision < 0 ? 6 : how.precision;
  std::string number;
  switch (how.type) {
    case 's':
    case 'r': {
      TRY(Text text, how.type == 's' ? to_text(value, budget) : repr(value, budget));
      if (how.precision >= 0) text = text.slice(0, char_offset(text.bytes, static_cast<size_t>(how.precision)));
      return text;
    }
    case 'd':
    case 'i':
    case 'x':
    case 'X':
    case 'o': {
      std::optional<int64_t> integer = value.integer();
      if (const auto* d = value.as<double>(); d && (how.type == 'd' || how.type == 'i')) integer = whole(*d);
      if (!integer) return Err("format: %{} needs an integer, found a {}", how.type, type_name(value));
      const int64_t i = *integer;
      number = how.type == 'x'   ? fmt::format("{:x}", i)
               : how.type == 'X' ? fmt::format("{:X}", i)
               : how.type == 'o' ? fmt::format("{:o}", i)
                                 : fmt::format("{}", i);
      break;
    }
    case 'f':
    case 'F':
    case 'e':
    case 'g': {
      const auto d = value.number();
      if (!d) return Err("format: %{} needs a number, found a {}", how.type, type_name(value));
      number = how.type == 'e'   ? fmt::format("{:.{}e}", *d, precision)
               : how.type == 'g' ? fmt::format("{:.{}g}", *d, precision)
                                 : fmt::format("{:.{}f}", *d, precision);
      break;
    }
    default:
      return Err("format: unknown conversion '%{}'", how.type);
  }
  if (number[0] != '-' && (how.plus || how.space)) number.insert(0, 1, how.plus ? '+' : ' ');
  if (how.zero && !how.left && number.size() < static_cast<size_t>(how.width)) {
    const size_t sign = number[0] == '-' || number[0] == '+' || number[0] == ' ';
    number.insert(sign, static_cast<size_t>(how.width) - number.size(), '0');
  }
  return Text::own(std::move(number));
}

}  // namespace

Result<Value> format_percent(const Text& pattern, const Value& arguments, Budget& budget) {
  TRY_STATUS(budget.spend_bytes(pattern.bytes.size()));
  const List* several = arguments.list() && arguments.list()->tuple ? arguments.list() : nullptr;
  const size_t count = several ? several->items.size() : 1;
  Text out;
  size_t used = 0;
  bool named = false;
  for (size_t at = 0; at < pattern.bytes.size();) {
    if (pattern.bytes[at] != '%') {
      const size_t end = std::min(pattern.bytes.find('%', at), pattern.bytes.size());
      out.append(pattern, at, end);
      at = end;
      continue;
    }
    ++at;
    if (at < pattern.bytes.size() && pattern.bytes[at] == '%') {
      out.append(pattern, at, at + 1);
      ++at;
      continue;
    }
    TRY(const Conversion how, read_conversion(pattern.bytes, at));
    Value value;
    if (!how.name.empty()) {
      TRY(value, get_item(arguments, Value::own(how.name), budget));
      named = true;
    } else {
      if (used >= count) return Err("format: the pattern needs more than {} values", count);
      value = several ? several->items[used] : arguments;
      ++used;
    }
    TRY(const Text text, converted(how, value, budget));
    const size_t size = count_chars(text.bytes);
    const std::string padding(size < static_cast<size_t>(how.width) ? static_cast<size_t>(how.width) - size : 0, ' ');
    TRY_STATUS(budget.spend_bytes(out.bytes.size() + text.bytes.size() + padding.size()));
    if (!how.left) out.append(padding);
    out.append(text);
    if (how.left) out.append(padding);
  }
  if (!named && used < count && !arguments.dict()) return Err("format: {} values are left over", count - used);
  return Value(std::move(out));
}

std::vector<NamedFilter> number_filters() {
  return {{"int", to_integer}, {"float", to_float},     {"abs", absolute},
          {"round", round},    {"default", or_default}, {"d", or_default}};
}

}  // namespace loquat::jinja

// Filters of strings. As Jinja's, most take anything and print it first.
#include <algorithm>

#include "jinja/builtins.h"

namespace loquat::jinja {

namespace {

// The filter that is the method of the same name.
template <const char* name>
Result<Value> as_method(Context& context, const Value& input, const Args& args) {
  TRY(const Text text, to_text(input, context.budget));
  return call_text_method(context, text, name, args);
}

constexpr char kUpper[] = "upper", kLower[] = "lower", kCapitalize[] = "capitalize", kReplace[] = "replace",
               kStrip[] = "strip";

// Unlike the method: a letter after anything but a letter or a digit.
Result<Value> title(Context& context, const Value& input, const Args& args) {
  TRY(const auto none, bind(args, {}));
  TRY(const Text text, to_text(input, context.budget));
  TRY_STATUS(context.budget.spend(4 + uint64_t{text.bytes.size()}));
  Text out;
  size_t begin = 0;
  for (size_t at = 0; at <= text.bytes.size(); ++at) {
    const bool cut = at == text.bytes.size() || std::string_view("-([{<").find(text.bytes[at]) != std::string::npos ||
                     is_space(static_cast<unsigned char>(text.bytes[at]));
    if (!cut) continue;
    out.append(change_case(text.slice(begin, at), Case::kCapitalize));
    if (at < text.bytes.size()) out.append(text, at, at + 1);
    begin = at + 1;
  }
  return Value(std::move(out));
}

Result<Value> string(Context& context, const Value& input, const Args& args) {
  TRY(const auto none, bind(args, {}));
  TRY(Text text, to_text(input, context.budget));
  TRY_STATUS(context.budget.spend_bytes(text.bytes.size()));
  return Value(std::move(text));
}

Result<Value> safe(Context&, const Value& input, const Args& args) {
  TRY(const auto none, bind(args, {}));
  return input;
}

Result<Value> escape(Context& context, const Value& input, const Args& args) {
  TRY(const auto none, bind(args, {}));
  TRY(const Text text, to_text(input, context.budget));
  TRY_STATUS(context.budget.spend_bytes(5 * text.bytes.size()));
  Text out;
  for (size_t at = 0; at < text.bytes.size(); ++at) {
    const char c = text.bytes[at];
    const char* with = c == '&'    ? "&amp;"
                       : c == '<'  ? "&lt;"
                       : c == '>'  ? "&gt;"
                       : c == '"'  ? "&#34;"
                       : c == '\'' ? "&#39;"
                                   : nullptr;
    if (!with) {
      out.append(text, at, at + 1);
      continue;
    }
    const Text old = text.slice(at, at + 1);
    Text piece = Text::own(with);
    if (old.has_data()) piece.mark_data();
    if (!old.generation.empty()) piece.mark_generation(0, piece.bytes.size());
    out.append(piece);
  }
  return Value(std::move(out));
}

Result<Value> indent(Context& context, const Value& input, const Args& args) {
  TRY(const auto bound, bind(args, {{"width", Value(int64_t{4})}, {"first", Value(false)}, {"blank", Value(false)}}));
  TRY(const Text text, to_text(input, context.budget));
  Text margin;
  if (const Text* given = bound[0].text()) {
    margin = *given;
  } else {
    TRY(const int64_t width, want_integer(bound[0], "indent"));
    if (width > 10000) return Err("indent: a width of {}", width);
    margin.bytes.assign(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
  }
  const auto lines = static_cast<size_t>(std::count(text.bytes.begin(), text.bytes.end(), '\n'));
  if (lines > context.budget.limits().output_bytes / (margin.bytes.size() + 1)) return Err("indent: too many lines");
  TRY_STATUS(context.budget.spend_bytes(text.bytes.size() + (lines + 1) * margin.bytes.size()));
  TRY_STATUS(context.budget.spend(2 * (lines + 1) * (1 + margin.data.size())));
  Text out;
  for (size_t begin = 0, number = 0; begin <= text.bytes.size(); ++number) {
    const size_t end = std::min(text.bytes.find('\n', begin), text.bytes.size());
    const bool wanted = number == 0 ? truthy(bound[1]) : end > begin || truthy(bound[2]);
    if (wanted) out.append(margin);
    out.append(text, begin, std::min(end + 1, text.bytes.size()));
    begin = end + 1;
  }
  return Value(std::move(out));
}

Result<Value> format(Context& context, const Value& input, const Args& args) {
  TRY(const Text pattern, to_text(input, context.budget));
  if (!args.keywords.empty() && !args.positional.empty()) return Err("format: expected values or names, not both");
  if (args.keywords.empty()) {
    TRY(const Value values, make_list(args.positional, context.budget, true));
    return format_percent(pattern, values, context.budget);
  }
  std::vector<std::pair<Value, Value>> items;
  for (const auto& [name, value] : args.keywords) items.emplace_back(Value::own(name), value);
  TRY(const Value values, make_dict(std::move(items), context.budget));
  return format_percent(pattern, values, context.budget);
}

Result<Value> word_count(Context& context, const Value& input, const Args& args) {
  TRY(const auto none, bind(args, {}));
  TRY(const Text text, to_text(input, context.budget));
  TRY_STATUS(context.budget.spend_bytes(text.bytes.size()));
  int64_t count = 0;
  bool inside = false;
  for (size_t at = 0; at < text.bytes.size(); at = next_char(text.bytes, at)) {
    const uint32_t code = code_point(text.bytes, at);
    const bool word = code == '_' || (code >= '0' && code <= '9') || is_alpha(code);
    count += word && !inside;
    inside = word;
  }
  return Value(count);
}

Result<Value> center(Context& context, const Value& input, const Args& args) {
  TRY(const auto bound, bind(args, {{"width", Value(int64_t{80})}}));
  TRY(const Text text, to_text(input, context.budget));
  return call_text_method(context, text, "center", {{bound[0]}, {}});
}

Result<Value> tojson(Context& context, const Value& input, const Args& args) {
  TRY(const auto bound, bind(args, {{"ensure_ascii", Value(false)},
                                    {"indent", Value(None{})},
                                    {"separators", Value(None{})},
                                    {"sort_keys", Value(false)}}));
  JsonStyle style;
  style.ascii = truthy(bound[0]);
  style.sort_keys = truthy(bound[3]);
  if (!bound[1].is_none()) {
    style.between = ",";
    if (const Text* text = bound[1].text()) {
      style.indent = text->bytes;
    } else {
      TRY(const int64_t width, want_integer(bound[1], "tojson: indent"));
      if (width > 100) return Err("tojson: an indent of {}", width);
      style.indent = std::string(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
    }
  }
  if (!bound[2].is_none()) {
    const List* both = bound[2].list();
    if (!both || both->items.size() != 2) return Err("tojson: expected two separators");
    TRY(const Text* between, want_text(both->items[0], "tojson: separators"));
    TRY(const Text* colon, want_text(both->items[1], "tojson: separators"));
    style.between = between->bytes;
    style.colon = colon->bytes;
  }
  TRY(Text text, to_json(input, style, context.budget));
  for (const Value* given : {&bound[1], &bound[2]}) {
    TRY(const Text printed, to_text(*given, context.budget));
    if (printed.has_data()) text.mark_data();
  }
  return Value(std::move(text));
}

}  // namespace

std::vector<NamedFilter> text_filters() {
  return {{"upper", as_method<kUpper>},
          {"lower", as_method<kLower>},
          {"capitalize", as_method<kCapitalize>},
          {"title", title},
          {"replace", as_method<kReplace>},
          {"trim", as_method<kStrip>},
          {"string", string},
          {"safe", safe},
          {"escape", escape},
          {"e", escape},
          {"forceescape", escape},
          {"indent", indent},
          {"format", format},
          {"wordcount", word_count},
          {"center", center},
          {"tojson", tojson}};
}

}  // namespace loquat::jinja

// Values as text: as Python prints them, and as its json.dumps writes them.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "jinja/value.h"

namespace loquat::jinja {

namespace {

// Python's quotes: single ones, unless only double ones save an escape.
void quote(const std::string& bytes, std::string& out) {
  const bool single = bytes.find('\'') == std::string::npos || bytes.find('"') != std::string::npos;
  const char mark = single ? '\'' : '"';
  out += mark;
  for (size_t at = 0; at < bytes.size();) {
    const size_t next = next_char(bytes, at);
    const uint32_t code = code_point(bytes, at);
    if (code == static_cast<uint32_t>(mark) || code == '\\') {
      out += '\\';
      out += static_cast<char>(code);
    } else if (code == '\n') {
      out += "\\n";
    } else if (code == '\r') {
      out += "\\r";
    } else if (code == '\t') {
      out += "\\t";
    } else if (is_printable(code)) {
      out.append(bytes, at, next - at);
    } else {
      out += code < 0x100     ? fmt::format("\\x{:02x}", code)
             : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                              : fmt::format("\\U{:08x}", code);
    }
    at = next;
  }
  out += mark;
}

void json_string(const std::string& bytes, bool ascii, std::string& out) {
  out += '"';
  for (size_t at = 0; at < bytes.size();) {
    const size_t next = next_char(bytes, at);
    const uint32_t code = code_point(bytes, at);
    if (code == '"' || code == '\\') {
      out += '\\';
      out += static_cast<char>(code);
    } else if (code >= 0x20 && (code < 0x80 || !ascii)) {
      out.append(bytes, at, next - at);
    } else if (code == '\n') {
      out += "\\n";
    } else if (code == '\r') {
      out += "\\r";
    } else if (code == '\t') {
      out += "\\t";
    } else if (code == '\b') {
      out += "\\b";
    } else if (code == '\f') {
      out += "\\f";
    } else if (code < 0x10000) {
      out += fmt::format("\\u{:04x}", code);
    } else {
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xD7C0 + (code >> 10), 0xDC00 + (code & 0x3FF));
    }
    at = next;
  }
  out += '"';
}

// Writes one value as text; `data` is set where a string of the data was met.
struct Writer {
  Budget& budget;
  std::string out;
  bool data = false;

  Status room() {
    if (out.size() > budget.limits().output_bytes) return budget.spend_bytes(out.size());
    return budget.spend(1);
  }
  // Before a string is written: its escapes may take six times its bytes.
  Status string(const Text& text) {
    data = data || text.has_data();
    return budget.spend_bytes(text.bytes.size());
  }
  Text done() && {
    Text text = Text::own(std::move(out));
    if (data) text.mark_data();
    return text;
  }
};

Status write_repr(const Value& value, Writer& to);

Status write_repr_items(const std::vector<std::pair<Value, Value>>& items, Writer& to) {
  to.out += '{';
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) to.out += ", ";
    TRY_STATUS(write_repr(items[i].first, to));
    to.out += ": ";
    TRY_STATUS(write_repr(items[i].second, to));
  }
  to.out += '}';
  return {};
}

Status write_repr(const Value& value, Writer& to) {
  TRY_STATUS(to.room());
  if (const Text* text = value.text()) {
    TRY_STATUS(to.string(*text));
    quote(text->bytes, to.out);
  } else if (const List* list = value.list()) {
    to.out += list->tuple ? '(' : '[';
    for (size_t i = 0; i < list->items.size(); ++i) {
      if (i > 0) to.out += ", ";
      TRY_STATUS(write_repr(list->items[i], to));
    }
    if (list->tuple && list->items.size() == 1) to.out += ',';
    to.out += list->tuple ? ')' : ']';
  } else if (const Dict* dict = value.dict()) {
    return write_repr_items(dict->items, to);
  } else if (const Namespace* space = value.space()) {
    to.out += "<Namespace {";
    to.data = to.data || !space->items.empty();  // the names may be from a dict of data
    for (size_t i = 0; i < space->items.size(); ++i) {
      if (i > 0) to.out += ", ";
      quote(space->items[i].first, to.out);
      to.out += ": ";
      TRY_STATUS(write_repr(space->items[i].second, to));
    }
    to.out += "}>";
  } else if (value.is_undefined()) {
    to.out += "Undefined";
  } else if (value.is_none()) {
    to.out += "None";
  } else if (const auto* b = value.as<bool>()) {
    to.out += *b ? "True" : "False";
  } else if (const auto* i = value.as<int64_t>()) {
    to.out += std::to_string(*i);
  } else if (const auto* d = value.as<double>()) {
    to.out += float_text(*d);
  } else if (const Callable* callable = value.callable()) {
    to.out += fmt::format("<function {}>", callable->name);
  } else {
    to.out += "<loop>";
  }
  return {};
}

// Numbers, none and truth values, which JSON's keys may be as well.
bool write_json_plain(const Value& value, std::string& out) {
  if (value.is_none()) {
    out += "null";
  } else if (const auto* b = value.as<bool>()) {
    out += *b ? "true" : "false";
  } else if (const auto* i = value.as<int64_t>()) {
    out += std::to_string(*i);
  } else if (const auto* d = value.as<double>()) {
    out += std::isnan(*d) ? "NaN" : std::isinf(*d) ? (*d < 0 ? "-Infinity" : "Infinity") : float_text(*d);
  } else {
    return false;
  }
  return true;
}

struct JsonWriter : Writer {
  const JsonStyle& style;

  Status line(int level) {
    if (!style.indent) return {};
    TRY_STATUS(budget.spend_bytes(style.indent->size() * static_cast<size_t>(level)));
    out += '\n';
    for (int i = 0; i < level; ++i) out += *style.indent;
    return {};
  }

  Status write_list(const List& list, int level) {
    out += '[';
    for (size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) out += style.between;
      TRY_STATUS(line(level + 1));
      TRY_STATUS(write(list.items[i], level + 1));
    }
    if (!list.items.empty()) TRY_STATUS(line(level));
    out += ']';
    return {};
  }

  Status write_dict(const Dict& dict, int level) {
    std::vector<const std::pair<Value, Value>*> items;
    for (const auto& item : dict.items) items.push_back(&item);
    if (style.sort_keys) {
      for (const auto* item : items) {
        if (!item->first.text()) return Err("tojson: sort_keys needs keys that are strings");
      }
      std::stable_sort(items.begin(), items.end(),
                       [](const auto* a, const auto* b) { return a->first.text()->bytes < b->first.text()->bytes; });
    }
    out += '{';
    bool first = true;
    for (const auto* item : items) {
      if (!first) out += style.between;
      first = false;
      TRY_STATUS(line(level + 1));
      TRY_STATUS(write_key(item->first));
      out += style.colon;
      TRY_STATUS(write(item->second, level + 1));
    }
    if (!dict.items.empty()) TRY_STATUS(line(level));
    out += '}';
    return {};
  }

  Status write_key(const Value& key) {
    if (const Text* text = key.text()) {
      TRY_STATUS(string(*text));
      json_string(text->bytes, style.ascii, out);
      return {};
    }
    out += '"';
    if (!write_json_plain(key, out)) return Err("tojson: a {} cannot be the key of an object", type_name(key));
    out += '"';
    return {};
  }

  Status write(const Value& value, int level) {
    TRY_STATUS(room());
    if (write_json_plain(value, out)) return {};
    if (value.text()) return write_key(value);
    if (const List* list = value.list()) return write_list(*list, level);
    if (const Dict* dict = value.dict()) return write_dict(*dict, level);
    if (const auto* undefined = value.as<Undefined>()) return Err("tojson: {}", undefined->reason());
    return Err("tojson: a {} cannot be written as JSON", type_name(value));
  }
};

}  // namespace

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto scientific = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string text(buffer, scientific.ptr);
  const int exponent = std::stoi(text.substr(text.find('e') + 1));
  if (exponent < -4 || exponent >= 16) return text;
  const auto fixed = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  std::string plain(buffer, fixed.ptr);
  if (plain.find('.') == std::string::npos) plain += ".0";
  return plain;
}

Result<Text> repr(const Value& value, Budget& budget) {
  Writer writer{budget, {}, false};
  TRY_STATUS(write_repr(value, writer));
  TRY_STATUS(budget.spend_bytes(writer.out.size()));
  return std::move(writer).done();
}

Result<Text> to_text(const Value& value, Budget& budget) {
  if (const Text* text = value.text()) return *text;
  if (value.is_undefined()) return Text{};
  return repr(value, budget);
}

Result<Text> to_json(const Value& value, const JsonStyle& style, Budget& budget) {
  JsonWriter writer{{budget, {}, false}, style};
  TRY_STATUS(writer.write(value, 0));
  TRY_STATUS(budget.spend_bytes(writer.out.size()));
  return std::move(writer).done();
}

}  // namespace loquat::jinja

// Recognising shapes, and rows as items (shapes.h). The table itself is in shape_table.cc.
#include "data/shapes.h"

#include <algorithm>
#include <array>

#include "base/settings.h"
#include "data/row_values.h"

namespace loquat {
namespace {

using nlohmann::json;

struct KindName {
  RowKind kind;
  const char* name;
  const char* expected;
};

constexpr std::array<KindName, 5> kKinds{{
    {RowKind::kText, "texts", "\"text\", or \"messages\" to read as a text"},
    {RowKind::kDemonstration, "demonstrations",
     "\"messages\", or \"prompt\" and \"completion\", or \"instruction\" and \"output\", or \"conversations\""},
    {RowKind::kRanking, "rankings",
     "\"chosen\" and \"rejected\" (with \"prompt\", or as transcripts), or \"messages\" and \"responses\""},
    {RowKind::kPrompt, "prompts", "\"messages\" or \"prompt\""},
    {RowKind::kUnpaired, "unpaired", "\"prompt\", \"completion\" and \"label\""},
}};

const KindName& about(RowKind kind) {
  return *std::find_if(kKinds.begin(), kKinds.end(), [&](const KindName& k) { return k.kind == kind; });
}

// f(name) for each of "a|b|c"; whether f was true for one.
template <typename F>
bool any_of_names(std::string_view names, F f) {
  while (true) {
    const size_t end = names.find('|');
    if (f(names.substr(0, end))) return true;
    if (end == names.npos) return false;
    names.remove_prefix(end + 1);
  }
}

std::string lower_letters(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (std::isalnum(static_cast<unsigned char>(c)))
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// "Prompt", "prompts" and "prompt " are nearly "prompt".
bool is_nearly(std::string_view key, std::string_view name) {
  const std::string a = lower_letters(key), b = lower_letters(name);
  return a == b || a == b + "s" || a + "s" == b;
}

std::string in_quotes(std::string_view name) {
  return fmt::format("\"{}\"", name);
}

// What a person may have meant: the shape of this kind that shares most of its keys with the row.
std::string nearest_hint(const json& row, RowKind kind) {
  if (const Shape* other = shape_of(row))
    return fmt::format("; this is {} ({}), which has {}", other->name, other->about,
                       other->is(RowKind::kDemonstration) ? "demonstrations"
                       : other->is(RowKind::kRanking)     ? "rankings"
                       : other->is(RowKind::kUnpaired)    ? "judged replies"
                       : other->is(RowKind::kText)        ? "texts"
                                                          : "prompts");
  int best = 0;
  std::string hint;
  for (const Shape& shape : shapes()) {
    if (!shape.is(kind)) continue;
    int score = 0;
    std::string missing, renamed, table;
    for (const char* names : shape.keys) {
      if (any_of_names(names, [&](std::string_view name) { return row.contains(std::string(name)); })) {
        score += 2;
        continue;
      }
      const std::string_view name = std::string_view(names).substr(0, std::string_view(names).find('|'));
      bool near = false;
      for (const auto& [key, value] : row.items()) {
        if (near || !is_nearly(key, name)) continue;
        near = true;
        renamed += fmt::format("{}{}={}", renamed.empty() ? "" : ",", name, key);
        table += fmt::format("{}{} = \"{}\"", table.empty() ? "" : ", ", name, key);
      }
      score += near ? 2 : -1;
      if (!near) missing += (missing.empty() ? "" : ", ") + in_quotes(name);
    }
    if (score <= best) continue;
    best = score;
    hint = missing.empty()
               ? fmt::format("; other names can be mapped: --map {}, or beside its path map = {{ {} }}", renamed, table)
               : fmt::format(
                     "; the nearest shape is {}, which lacks {} (--map NAME=COLUMN, or beside its path map = {{ "
                     "NAME = \"COLUMN\" }})",
                     shape.name, missing);
  }
  return hint;
}

// Every key of b's is one of a's.
bool holds(const Shape& a, const Shape& b) {
  return std::all_of(b.keys.begin(), b.keys.end(), [&](const char* names) {
    return any_of_names(names, [&](std::string_view name) {
      return std::any_of(a.keys.begin(), a.keys.end(), [&](const char* others) {
        return any_of_names(others, [&](std::string_view other) { return other == name; });
      });
    });
  });
}

std::string names_of(RowKind kind) {
  std::string out;
  for (const Shape& shape : shapes())
    if (shape.is(kind)) out += (out.empty() ? "" : ", ") + in_quotes(shape.name);
  return out;
}

Result<ReadRow> read_as(const json& row, RowKind kind, const std::string& name) {
  TRY(const Shape* shape, shape_for(row, kind, name));
  TRY(std::optional<ReadRow> read, shape->read(row));
  if (!read) return Err("the two replies are the same or do not answer one prompt");
  return *std::move(read);
}

}  // namespace

const char* name_of(RowKind kind) {
  return about(kind).name;
}

std::optional<RowKind> kind_named(const std::string& name) {
  for (const KindName& k : kKinds)
    if (k.name == name) return k.kind;
  return std::nullopt;
}

bool fits(const Shape& shape, const json& row) {
  return std::all_of(shape.keys.begin(), shape.keys.end(),
                     [&](const char* names) {
                       return any_of_names(names,
                                           [&](std::string_view name) { return row.contains(std::string(name)); });
                     }) &&
         (shape.also == nullptr || shape.also(row));
}

bool keys_make_a_row(std::span<const std::string> keys) {
  return std::any_of(shapes().begin(), shapes().end(), [&](const Shape& shape) {
    return std::all_of(shape.keys.begin(), shape.keys.end(), [&](const char* names) {
      return any_of_names(
          names, [&](std::string_view name) { return std::find(keys.begin(), keys.end(), name) != keys.end(); });
    });
  });
}

const Shape* shape_of(const json& row) {
  const auto all = shapes();
  const auto it = std::find_if(all.begin(), all.end(), [&](const Shape& shape) { return fits(shape, row); });
  return it == all.end() ? nullptr : &*it;
}

const Shape* shape_named(const std::string& name) {
  const auto all = shapes();
  const std::string wanted = lower_letters(name);
  const auto it =
      std::find_if(all.begin(), all.end(), [&](const Shape& shape) { return lower_letters(shape.name) == wanted; });
  return it == all.end() ? nullptr : &*it;
}

Result<const Shape*> shape_for(const json& row, RowKind kind, const std::string& name) {
  if (!name.empty()) {
    const Shape* shape = shape_named(name);
    if (shape == nullptr || !shape->is(kind))
      return Err("shape: found {}, expected one for {}: {}", in_quotes(name), name_of(kind), names_of(kind));
    if (!fits(*shape, row)) return Err("found {}, which is not {} ({})", keys_of(row), shape->name, shape->about);
    return shape;
  }
  // A text beside its conversation is the text; a prompt is a prompt whatever else stands there.
  if (kind == RowKind::kText && row.contains("text")) return shape_named("text");
  if (kind == RowKind::kPrompt && !row.contains("messages") && row.contains("prompt")) return shape_named("prompt");
  const Shape* found = nullptr;
  for (const Shape& shape : shapes()) {
    if (!shape.is(kind) || !fits(shape, row)) continue;
    if (found == nullptr) {
      found = &shape;
    } else if ((kind == RowKind::kDemonstration || kind == RowKind::kRanking) && !holds(*found, shape)) {
      return Err("the row is both {} ({}) and {} ({}): say which (shape = \"...\", or --shape)", found->name,
                 found->about, shape.name, shape.about);
    }
  }
  if (found != nullptr) return found;
  return Err("found {}, expected {}{}", keys_of(row), about(kind).expected, nearest_hint(row, kind));
}

Result<ColumnMap> parse_map(const std::string& text) {
  ColumnMap map;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string pair = text.substr(begin, end - begin);
    const size_t equals = pair.find('=');
    if (equals == 0 || equals == pair.npos || equals + 1 == pair.size())
      return Err("map: found \"{}\", expected NAME=COLUMN[,NAME=COLUMN...], as prompt=question,completion=answer",
                 pair);
    map.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
    begin = end + 1;
  }
  return map;
}

Status rename_columns(json& row, const ColumnMap& map) {
  // All are taken out before any is put back, so that two columns may change places.
  std::vector<json> values;
  for (const auto& [name, column] : map) {
    const auto it = row.find(column);
    if (it == row.end()) return Err("map: found {}, expected a column \"{}\"", keys_of(row), column);
    values.push_back(*it);
  }
  for (const auto& [name, column] : map) row.erase(column);
  for (size_t i = 0; i < map.size(); ++i) row[map[i].first] = std::move(values[i]);
  return {};
}

Result<std::string> text_of_row(const json& row, const std::string& shape) {
  TRY(ReadRow read, read_as(row, RowKind::kText, shape));
  if (read.messages.empty()) return std::move(read.text);
  std::string text;
  for (const Message& m : read.messages) {
    const char* who = m.role == "user" ? "User: " : m.role == "assistant" ? "Assistant: " : "";
    text += (text.empty() ? "" : "\n") + (who + m.content);
  }
  return text;
}

Result<std::string> tools_of_row(const json& row) {
  const auto found = row.find("tools");
  if (found == row.end() || found->is_null()) return std::string();
  const json tools = found->is_string() ? json::parse(found->get_ref<const std::string&>(), nullptr, false) : *found;
  const bool sound =
      tools.is_array() && std::all_of(tools.begin(), tools.end(), [](const json& t) { return t.is_object(); });
  if (!sound) return Err("tools: found {}, expected a list of objects", found->type_name());
  return tools.empty() ? std::string() : tools.dump();
}

Result<Demonstration> demonstration_of_row(const json& row, const std::string& shape) {
  TRY(std::string id, id_of(row));
  TRY(ReadRow read, read_as(row, RowKind::kDemonstration, shape));
  TRY(read.tools, tools_of_row(row));
  // A conversation may end with what nobody answered: there is nothing to learn there.
  while (!read.messages.empty() && read.messages.back().role != "assistant") read.messages.pop_back();
  if (read.messages.empty()) return Err("found no assistant's turn, expected a reply to learn from");
  const auto replies =
      std::count_if(read.messages.begin(), read.messages.end(), [](const Message& m) { return m.role == "assistant"; });
  if (replies == static_cast<std::ptrdiff_t>(read.untrained.size()))
    return Err("every assistant's turn has the weight 0, expected a reply to learn from");
  return Demonstration{std::move(id), std::move(read.messages), std::move(read.untrained), std::move(read.tools)};
}

Result<std::optional<Ranking>> ranking_of_row(const json& row, const std::string& shape) {
  TRY(std::string id, id_of(row));
  // These judge one reply: nothing to compare.
  const bool judges_one = row.contains("reward") || row.contains("label");
  auto taken = shape_for(row, RowKind::kRanking, shape);
  if (!taken.ok() && judges_one && shape.empty()) return std::optional<Ranking>();
  TRY(const Shape* known, std::move(taken));
  TRY(std::optional<ReadRow> read, known->read(row));
  if (!read) return std::optional<Ranking>();
  return std::optional(Ranking{std::move(id), std::move(read->messages), std::move(read->responses)});
}

Result<Messages> prompt_of_row(const json& row, const std::string& shape) {
  TRY(ReadRow read, read_as(row, RowKind::kPrompt, shape));
  const std::string last = read.messages.empty() ? "" : read.messages.back().role;
  while (!read.messages.empty() && read.messages.back().role == "assistant") read.messages.pop_back();
  if (read.messages.empty() || read.messages.back().role != "user")
    return wrong(row.contains("messages") ? "messages" : "prompt", json(last), "a user's turn at its end");
  return std::move(read.messages);
}

bool is_rejected_reply(const json& row) {
  const Shape* shape = shape_of(row);
  return shape != nullptr && shape->is(RowKind::kUnpaired) && row.contains("label") && label_of(row["label"]) == false;
}

}  // namespace loquat

// The town's files: facts, tasks, and everything the generator writes, as JSON lines.
#include <nlohmann/json.hpp>

#include "data/town/stream.h"
#include "store/files.h"

namespace loquat::town {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kKinds[] = {"time",  "price",  "person", "street",   "place", "year",  "day",
                                       "goods", "colour", "number", "duration", "trade", "secret"};
constexpr std::string_view kSplits[] = {"shown", "demonstrated", "asked_in_rl", "document_only"};
constexpr std::string_view kUses[] = {"generation", "open_qa",  "brainstorm", "chat",      "rewrite",
                                      "summarize",  "classify", "other",      "closed_qa", "extract"};
constexpr std::string_view kExpects[] = {"answer", "abstain", "refuse", "clarify", "identity", "compose", "label"};

template <size_t N>
Result<int> index_of(const std::string_view (&names)[N], const Json& object, const char* key) {
  if (!object.contains(key) || !object[key].is_string()) return Err("\"{}\": expected a string", key);
  const std::string name = object[key].get<std::string>();
  for (size_t i = 0; i < N; ++i)
    if (names[i] == name) return static_cast<int>(i);
  return Err("\"{}\": \"{}\" is not one of the known names", key, name);
}

template <typename T>
Status read(const Json& object, const char* key, T& out) {
  if (!object.contains(key)) return {};
  try {
    out = object[key].get<T>();
  } catch (const nlohmann::json::exception&) {
    return Err("\"{}\": found {}, expected another type", key, object[key].type_name());
  }
  return {};
}

template <typename T>
void put(Json& object, const char* key, const T& value) {
  if (!value.empty()) object[key] = value;
}

template <typename T, typename F>
Status write_lines(const std::string& path, const std::vector<T>& items, F to_line) {
  std::string bytes;
  for (const T& item : items) {
    TRY(const std::string line, to_line(item));
    (bytes += line) += '\n';
  }
  return write_file(path, bytes);
}

Result<std::string> text_line(const std::string& text) {
  return Json{{"text", text}}.dump();
}

}  // namespace

std::string_view name_of(ValueKind kind) {
  return kKinds[static_cast<int>(kind)];
}
std::string_view name_of(Split split) {
  return kSplits[static_cast<int>(split)];
}
std::string_view name_of(Use use) {
  return kUses[static_cast<int>(use)];
}

Status write_facts(const World& world, const std::string& path) {
  return write_lines(path, world.facts, [&](const Fact& fact) -> Result<std::string> {
    return Json{{"id", fact.id},
                {"subject", world.entities[fact.subject].name},
                {"subject_kind", world.entities[fact.subject].kind},
                {"attribute", fact.attribute},
                {"value", fact.value},
                {"kind", name_of(fact.kind)},
                {"split", name_of(fact.split)},
                {"forbidden", fact.forbidden}}
        .dump();
  });
}

Result<std::string> task_to_json(const Task& task) {
  Json json;
  json["id"] = task.id;
  for (const Message& m : task.messages) json["messages"].push_back({{"role", m.role}, {"content", m.content}});
  json["use"] = name_of(task.use);
  json["measure"] = task.measure;
  json["phrasing"] = task.phrasing;
  json["expect"] = kExpects[static_cast<int>(task.expect)];
  put(json, "facts", task.facts);
  put(json, "answers", task.answers);
  json["answer_kind"] = name_of(task.answer_kind);
  put(json, "passage", task.passage);
  put(json, "include", task.include);
  put(json, "exclude", task.exclude);
  put(json, "labels", task.labels);
  if (task.min_items) json["min_items"] = task.min_items;
  put(json, "choices", task.choices);
  if (task.min_words) json["min_words"] = task.min_words;
  if (task.max_words) json["max_words"] = task.max_words;
  put(json, "forbidden", task.forbidden);
  put(json, "family", task.family);
  put(json, "references", task.references);
  try {
    return json.dump();
  } catch (const nlohmann::json::exception&) {
    return Err("task {}: a text is not UTF-8", task.id);
  }
}

Status write_tasks(const std::string& path, const std::vector<Task>& tasks) {
  return write_lines(path, tasks, task_to_json);
}

Result<Task> task_from_json(std::string_view line) {
  const Json json = Json::parse(line, nullptr, false);
  if (json.is_discarded() || !json.is_object()) return Err("expected one JSON object for a task");
  Task task;
  if (!json.contains("messages") || !json["messages"].is_array() || json["messages"].empty())
    return Err("\"messages\": expected a list that is not empty");
  for (const Json& m : json["messages"]) {
    Message message;
    if (!m.is_object()) return Err("\"messages\": expected objects with \"role\" and \"content\"");
    TRY_STATUS(read(m, "role", message.role));
    TRY_STATUS(read(m, "content", message.content));
    task.messages.push_back(std::move(message));
  }
  TRY(const int use, index_of(kUses, json, "use"));
  TRY(const int expect, index_of(kExpects, json, "expect"));
  TRY(const int kind, index_of(kKinds, json, "answer_kind"));
  task.use = static_cast<Use>(use);
  task.expect = static_cast<Expect>(expect);
  task.answer_kind = static_cast<ValueKind>(kind);
  TRY_STATUS(read(json, "id", task.id));
  TRY_STATUS(read(json, "measure", task.measure));
  TRY_STATUS(read(json, "phrasing", task.phrasing));
  TRY_STATUS(read(json, "facts", task.facts));
  TRY_STATUS(read(json, "answers", task.answers));
  TRY_STATUS(read(json, "passage", task.passage));
  TRY_STATUS(read(json, "include", task.include));
  TRY_STATUS(read(json, "exclude", task.exclude));
  TRY_STATUS(read(json, "labels", task.labels));
  TRY_STATUS(read(json, "min_items", task.min_items));
  TRY_STATUS(read(json, "choices", task.choices));
  TRY_STATUS(read(json, "min_words", task.min_words));
  TRY_STATUS(read(json, "max_words", task.max_words));
  TRY_STATUS(read(json, "forbidden", task.forbidden));
  TRY_STATUS(read(json, "family", task.family));
  TRY_STATUS(read(json, "references", task.references));
  return task;
}

TownScale town_scale(const std::string& scale) {
  if (scale == "smoke") return {10'000, 60'000, 6'000, 300, 200, 400, 60, 40};
  const TownScale quick{700'000, 5'000'000, 60'000, 12'000, 12'000, 31'000, 1'000, 400};
  if (scale != "full") return quick;
  return {800'000,
          15'000'000,
          quick.heldout_words,
          2 * quick.demonstrations,
          34'000,
          2 * quick.ppo_prompts,
          2 * quick.test_helpful,
          2 * quick.test_other};
}

Status write_town(const World& world, const TownScale& scale, const std::string& folder) {
  TRY_STATUS(make_folders(folder + "/tests"));
  TRY_STATUS(make_folders(folder + "/prompts"));
  TRY_STATUS(write_facts(world, folder + "/facts.jsonl"));
  TRY_STATUS(write_lines(folder + "/lessons.jsonl", make_lessons(world, scale.lesson_words), text_line));
  TRY_STATUS(write_lines(folder + "/documents.jsonl", make_documents(world, scale.document_words, false), text_line));
  TRY_STATUS(write_lines(folder + "/heldout.jsonl", make_documents(world, scale.heldout_words, true), text_line));
  const std::vector<TaskDemonstration> demonstrations = make_demonstrations(world, scale.demonstrations);
  TRY_STATUS(write_lines(folder + "/demonstrations.jsonl", demonstrations,
                         [](const TaskDemonstration& d) -> Result<std::string> {
                           Json json{{"id", d.task.id}};
                           for (const Message& m : d.task.messages)
                             json["messages"].push_back({{"role", m.role}, {"content", m.content}});
                           json["messages"].push_back({{"role", "assistant"}, {"content", d.reply}});
                           return json.dump();
                         }));
  TRY_STATUS(write_lines(folder + "/demonstration_tasks.jsonl", demonstrations,
                         [](const TaskDemonstration& d) { return task_to_json(d.task); }));
  TRY_STATUS(write_tasks(folder + "/prompts/comparisons.jsonl",
                         make_training_tasks(world, scale.comparison_prompts, "comparisons")));
  TRY_STATUS(write_tasks(folder + "/prompts/ppo.jsonl", make_training_tasks(world, scale.ppo_prompts, "ppo")));
  for (const std::string& measure : test_measures()) {
    const bool main = measure == "helpful" || measure == "look_alike";
    TRY_STATUS(write_tasks(folder + "/tests/" + measure + ".jsonl",
                           make_test_tasks(world, measure, main ? scale.test_helpful : scale.test_other)));
  }
  return {};
}

}  // namespace loquat::town

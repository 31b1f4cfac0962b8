#include "chats/transfer.h"

#include <algorithm>
#include <map>

#include "base/json_depth.h"
#include "chats/message_json.h"

namespace loquat::chats {
namespace {

using nlohmann::json;

// Longer than any run of backticks in the text.
std::string fence_for(std::string_view text) {
  size_t longest = 2, run = 0;
  for (const char c : text) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  return std::string(longest + 1, '`');
}

std::string text_at(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? plain_text(found->get<std::string>()) : "";
}

int64_t whole_at(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number()) return 0;
  const double value = found->get<double>();
  return value >= 0 && value < 9e15 ? static_cast<int64_t>(value) : 0;
}

double seconds_at(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

json sampling_at(const json& object) {
  const auto found = object.find("sampling");
  if (found == object.end()) return json::object();
  auto sampling = read_sampling(*found);
  return sampling.ok() ? *std::move(sampling) : json::object();
}

// Not from the future.
int64_t time_at(const json& object, const char* name) {
  const int64_t time = whole_at(object, name);
  return time > 0 ? std::min(time, now()) : now();
}

// A text, a list of text parts, or null.
Result<std::string> content_of(const json& message) {
  const auto content = message.find("content");
  if (content == message.end() || content->is_null()) return std::string();
  if (content->is_string()) return plain_text(content->get<std::string>());
  if (!content->is_array()) return Err("its content is neither a text nor a list of parts");
  std::string text;
  for (const json& part : *content) {
    const bool is_text = part.is_object() && text_at(part, "type").ends_with("text") && part.contains("text");
    if (!is_text) return Err("it has a part that is no text");
    text += text_at(part, "text");
  }
  return text;
}

Result<json> tool_calls_of(const json& message) {
  json calls = json::array();
  const auto given = message.find("tool_calls");
  if (given == message.end() || !given->is_array()) return calls;
  for (const json& call : *given) {
    if (!call.is_object()) return Err("a tool call is no object");
    const auto function = call.find("function");
    const json& named = function != call.end() && function->is_object() ? *function : call;
    calls.push_back(
        {{"id", text_at(call, "id")}, {"name", text_at(named, "name")}, {"arguments", text_at(named, "arguments")}});
  }
  return calls;
}

Status read_files(const json& given, Message& message) {
  const auto files = given.find("files");
  if (files == given.end() || !files->is_array()) return {};
  for (const json& file : *files) {
    if (!file.is_object()) return Err("a file is no object");
    message.files.push_back({text_at(file, "name"), text_at(file, "text"), 0});
  }
  return {};
}

Result<Message> read_message(const json& given) {
  Message message;
  message.role = text_at(given, "role");
  if (message.role != "user" && message.role != "assistant")
    return Err("its role is '{}'; expected user or assistant", message.role.substr(0, 40));
  TRY(message.content, content_of(given));
  TRY(message.tool_calls, tool_calls_of(given));
  TRY_STATUS(read_files(given, message));
  message.reasoning = text_at(given, "reasoning");
  if (message.reasoning.empty()) message.reasoning = text_at(given, "reasoning_content");
  message.model = text_at(given, "model");
  message.model_hash = plain_text(text_at(given, "model_hash").substr(0, 64));
  message.sampling = sampling_at(given);
  const std::string state = text_at(given, "state");
  message.state = state == "stopped" || state == "cut" || state == "failed" ? state
                  : state == "writing"                                      ? "stopped"
                                                                            : "done";
  message.error = plain_text(text_at(given, "error").substr(0, 1000));
  message.created = time_at(given, "created");
  if (const auto usage = given.find("usage"); usage != given.end() && usage->is_object()) {
    message.usage = Usage{whole_at(*usage, "prompt_tokens"), whole_at(*usage, "completion_tokens"),
                          whole_at(*usage, "cached_tokens")};
  }
  if (const auto seconds = given.find("seconds"); seconds != given.end() && seconds->is_object())
    message.seconds = Seconds{seconds_at(*seconds, "first"), seconds_at(*seconds, "total")};
  if (const std::string trouble = trouble_with(message); !trouble.empty()) return Error{trouble};
  return message;
}

Status read_list(const json& list, Incoming& out) {
  if (list.empty()) return Err("it has no messages");
  if (list.size() > kMostMessages) return Err("it has {} messages; at most {} are kept", list.size(), kMostMessages);
  // Ours say their ids and parents; OpenAI's follow each other.
  const bool ours = list.front().is_object() && list.front().contains("id") && list.front().contains("parent");
  std::map<std::string, size_t> at;
  for (size_t i = 0; i < list.size(); ++i) {
    const json& given = list[i];
    if (!given.is_object()) return Err("message {} is no object", i);
    const std::string role = text_at(given, "role");
    if (!ours && (role == "system" || role == "developer")) {
      TRY(const std::string text, content_of(given));
      out.conversation.system += (out.conversation.system.empty() ? "" : "\n\n") + text;
      continue;
    }
    auto message = read_message(given);
    if (!message.ok()) return Err("message {}: {}", i, message.error());
    message->id = ours ? text_at(given, "id") : std::to_string(i + 1);
    message->parent = ours ? text_at(given, "parent") : out.messages.empty() ? "" : out.messages.back().id;
    if (message->id.empty() || message->id.size() > kMostNameBytes || at.contains(message->id))
      return Err("message {}: its id is empty, too long or another's", i);
    if (!message->parent.empty() && !at.contains(message->parent))
      return Err("message {}: its parent is none of the messages before it", i);
    at[message->id] = i;
    out.messages.push_back(*std::move(message));
  }
  return {};
}

Status read_one(const json& given, Incoming& out) {
  const json* list = given.is_array() ? &given : nullptr;
  if (given.is_object() && given.contains("messages") && given["messages"].is_array()) list = &given["messages"];
  if (list == nullptr) return Err("expected an object with a list 'messages'");
  Conversation& c = out.conversation;
  if (given.is_object()) {
    c.title = text_at(given, "title");
    c.pinned = given.contains("pinned") && given["pinned"] == true;
    c.system = text_at(given, "system");
    c.model = text_at(given, "model");
    c.sampling = sampling_at(given);
    c.current = text_at(given, "current");
  }
  TRY_STATUS(read_list(*list, out));
  c.created = given.is_object() ? time_at(given, "created") : now();
  c.updated = given.is_object() ? std::max(c.created, time_at(given, "updated")) : c.created;
  const auto first =
      std::find_if(out.messages.begin(), out.messages.end(), [](const auto& m) { return m.role == "user"; });
  if (c.title.empty() && first != out.messages.end()) c.title = title_of(first->content);
  if (const std::string trouble = trouble_with(c); !trouble.empty()) return Error{trouble};
  return {};
}

// The list's items; of a text that is one JSON value per line, a line that is none is null.
Result<json> items_of(const json& body) {
  if (body.contains("conversations")) {
    if (!body["conversations"].is_array()) return Err("'conversations' must be a list.");
    return body["conversations"];
  }
  if (body.contains("messages")) return json::array({body});
  if (!body.contains("text") || !body["text"].is_string())
    return Err("Expected 'conversations', 'messages' or 'text'.");
  const auto& text = body["text"].get_ref<const std::string&>();
  if (json_nests_deeper(text)) return Err("The text is nested too deep.");
  json whole = json::parse(text, nullptr, false);
  if (whole.is_object()) return whole.contains("text") ? Result<json>(Err("Expected conversations.")) : items_of(whole);
  if (whole.is_array()) {
    const bool messages = !whole.empty() && whole.front().is_object() && whole.front().contains("role");
    return messages ? json::array({std::move(whole)}) : std::move(whole);
  }
  json items = json::array();
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    json item = json::parse(line, nullptr, false);
    items.push_back(item.is_discarded() ? json(nullptr) : std::move(item));
    if (items.size() > kMostImported) break;
  }
  return items;
}

}  // namespace

std::string with_files(const Message& message) {
  std::string text = message.content;
  for (const File& file : message.files) {
    const std::string fence = fence_for(file.text);
    text += (text.empty() ? "" : "\n\n") + file.name + "\n" + fence + "\n" + file.text +
            (file.text.ends_with('\n') ? "" : "\n") + fence;
  }
  return text;
}

json export_json(const Conversation& conversation, const std::vector<Message>& messages) {
  json out = conversation_json(conversation);
  json& list = out["messages"] = json::array();
  for (const Message& message : messages) {
    json& one = list.emplace_back(message_json(message));
    one.erase("feedback");
    for (size_t i = 0; i < message.files.size(); ++i) one["files"][i]["text"] = message.files[i].text;
  }
  return out;
}

std::string export_markdown(const Conversation& conversation, const std::vector<Message>& branch) {
  std::string out = "# " + (conversation.title.empty() ? "Conversation" : conversation.title) + "\n";
  if (!conversation.system.empty()) out += "\n## System\n\n" + conversation.system + "\n";
  for (const Message& message : branch) {
    const bool user = message.role == "user";
    out += "\n## " + (user ? "User" : message.model.empty() ? "Assistant" : message.model) + "\n\n";
    out += (user ? with_files(message) : message.content) + "\n";
  }
  return out;
}

Result<std::vector<Incoming>> read_import(const json& body) {
  TRY(const json items, items_of(body));
  if (items.empty()) return Err("There is nothing to import.");
  if (items.size() > kMostImported) return Err("At most {} conversations can be imported at once.", kMostImported);
  std::vector<Incoming> all;
  size_t messages = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    Incoming one;
    one.index = static_cast<int64_t>(i);
    Status read = messages > kMostImportedMessages ? Status(Err("too many messages stand before it in this import"))
                                                   : read_one(items[i], one);
    messages += one.messages.size();
    if (!read.ok()) {
      one.why = plain_text(read.error());
      one.messages.clear();
    }
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace loquat::chats

// Reading of prompts with answers (questions.h).
#include "data/questions.h"

#include <nlohmann/json.hpp>

#include "data/jsonl.h"
#include "store/files.h"

namespace loquat {

Result<Question> question_from_json(std::string_view line) {
  Question out;
  TRY(out.prompt, prompt_from_json(line));  // and so the line is a JSON object of bounded depth
  const auto object = nlohmann::json::parse(line, nullptr, false);
  const auto found = object.find("answer");
  if (found == object.end() || found->is_null()) return out;
  if (found->is_string()) {
    out.answer = found->get<std::string>();
  } else if (found->is_number()) {
    out.answer = found->dump();
  } else {
    return Err("answer: found {}, expected text or a number",
               found->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  return out;
}

Result<std::vector<Question>> read_questions(const std::string& path) {
  std::vector<Question> out;
  TRY_STATUS(for_each_line(path, [&](int64_t number, std::string_view line) -> Status {
    if (line.find_first_not_of(" \t\r\n") == line.npos) return {};
    auto item = question_from_json(line);
    if (!item.ok()) return Err("{}: line {}: {}", path, number, item.error());
    out.push_back(*std::move(item));
    return {};
  }));
  if (out.empty())
    return Err(R"({}: found no usable example, expected at least one {{"prompt"}} or {{"prompt", "answer"}})", path);
  return out;
}

}  // namespace loquat

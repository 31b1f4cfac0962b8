// Reading of prompts with answers (questions.h).
#include "data/questions.h"

#include <nlohmann/json.hpp>

#include "data/items.h"
#include "data/shapes.h"

namespace loquat {

namespace {

Result<Question> question_of_row(const nlohmann::json& row, const std::string& shape) {
  Question out;
  TRY(out.prompt, prompt_of_row(row, shape));
  const auto found = row.find("answer");
  if (found == row.end() || found->is_null()) return out;
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

}  // namespace

Result<Question> question_from_json(std::string_view line) {
  TRY(const nlohmann::json row, parse_row(line));
  return question_of_row(row, "");
}

Result<std::vector<Question>> read_questions(const std::string& path) {
  std::vector<Question> out;
  TRY_STATUS(read_items(path, [&](const nlohmann::json& row, const std::string& shape, const std::string&) -> Status {
    TRY(Question item, question_of_row(row, shape));
    out.push_back(std::move(item));
    return {};
  }));
  if (out.empty()) return nothing_in(path, R"({"prompt"} or {"prompt", "answer"})");
  return out;
}

}  // namespace loquat

// The `output` of a response as it grows: thoughts, messages and calls of functions, and the events that tell of them.
// One item is open at a time.
#pragma once

#include <functional>
#include <string>

#include "serve/api/json.h"
#include "serve/api/tool_calls.h"

namespace loquat::serve::api {

class ResponseItems {
 public:
  // `emit` gets each event's type and its fields; it may be empty.
  explicit ResponseItems(std::function<void(const char* type, Json fields)> emit) : emit_(std::move(emit)) {}

  void add(const ToolPiece& piece);
  // Ends the item that is open. A reply of nothing is an empty message.
  void finish(bool complete);
  const Json& output() const { return output_; }

 private:
  void open_message();
  void open_call(const std::string& name);
  void open_reasoning();
  void close(const char* status);
  void emit(const char* type, Json fields);
  Json place() const;  // the fields item_id and output_index

  std::function<void(const char* type, Json fields)> emit_;
  Json output_ = Json::array();  // the open item is the last, without what it has grown since it was opened
  bool open_ = false;
  std::string grown_;  // the open item's text or arguments
};

}  // namespace loquat::serve::api

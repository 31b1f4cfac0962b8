// <tool_call>
// {"name": "NAME", "arguments": {...}}
// </tool_call>
#include "serve/api/tool_calls.h"

namespace loquat::serve::api {
namespace {

class HermesReader : public TaggedCallReader {
 protected:
  Head read_beginning(bool last) override { return read_head({"\"arguments\""}, last); }
  bool read_inside(bool) override { return read_arguments(); }
};

}  // namespace

std::unique_ptr<ToolCallReader> make_hermes_reader() {
  return std::make_unique<HermesReader>();
}

}  // namespace loquat::serve::api

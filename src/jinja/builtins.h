// What templates can call without having defined it: filters (filters_*.cc), tests (checks.cc), methods of strings,
// lists and dicts (methods.cc), global functions (functions.cc), and the operators (operators.cc). Their errors name no
// place: the interpreter adds it.
#pragma once

#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

#include "jinja/ast.h"

namespace loquat::jinja {

struct Context {
  Budget& budget;
  const Clock& now;
  std::optional<std::string> raised;  // by raise_exception
};

struct Args {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> keywords;
};

// Arguments by position or name, in the order of the parameters. Without a default, a parameter must be given.
struct Parameter {
  const char* name;
  std::optional<Value> otherwise = std::nullopt;
};
Result<std::vector<Value>> bind(const Args& args, std::initializer_list<Parameter> parameters);
Result<int64_t> want_integer(const Value& value, std::string_view what);
Result<const Text*> want_text(const Value& value, std::string_view what);

using FilterFunction = Result<Value> (*)(Context&, const Value& input, const Args&);
using TestFunction = Result<bool> (*)(Context&, const Value& input, const Args&);
// Null where there is none of that name.
FilterFunction find_filter(std::string_view name);
TestFunction find_test(std::string_view name);

using NamedFilter = std::pair<std::string_view, FilterFunction>;
std::vector<NamedFilter> text_filters();
std::vector<NamedFilter> number_filters();
std::vector<NamedFilter> list_filters();
std::vector<NamedFilter> choosing_filters();

bool is_function(std::string_view name);
Result<Value> call_function(Context& context, const std::string& name, const Args& args);

// A method that changes its object is unsafe: the sandbox is immutable.
enum class MethodKind { kNone, kSafe, kUnsafe };
MethodKind method_kind(const Value& self, std::string_view name);
Result<Value> call_method(Context& context, const Value& self, std::string_view name, const Args& args);
Result<Value> call_text_method(Context& context, const Text& self, std::string_view name, const Args& args);

// A function, a method, a cycler or a joiner: all but a macro.
Result<Value> call_builtin(Context& context, const Callable& callable, const Args& args);

// object.name and object[key], as Jinja looks them up; what is not there is undefined.
Result<Value> get_attribute(const Value& object, const std::string& name, Budget& budget);
Result<Value> get_item(const Value& object, const Value& key, Budget& budget);
// "a.b.0", as map(attribute=...) takes it; an integer too. `otherwise`, where it is defined, stands for a part that is
// not there.
Result<Value> get_path(const Value& object, const Value& path, Budget& budget, const Value& otherwise = Value());

Result<Value> operate(Op op, Value left, const Value& right, Budget& budget);
Result<Value> slice(const Value& of, const Value& start, const Value& stop, const Value& step, Budget& budget);
// Python's "..." % arguments.
Result<Value> format_percent(const Text& pattern, const Value& arguments, Budget& budget);

// Pieces of one string, for whoever splits it.
Result<Value> list_of_slices(const Text& text, const std::vector<Range>& pieces, Budget& budget);
Result<Value> join(const std::vector<Value>& items, const Text& between, Budget& budget);
Result<Value> replace(const Text& text, const Text& old, const Text& with, int64_t count, Budget& budget);

}  // namespace loquat::jinja

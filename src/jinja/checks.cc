// Tests: what follows "is".
#include "jinja/builtins.h"

namespace loquat::jinja {

namespace {

template <bool (*holds)(const Value&)>
Result<bool> plain(Context&, const Value& input, const Args& args) {
  TRY(const auto none, bind(args, {}));
  return holds(input);
}

template <Result<bool> (*holds)(Context&, const Value&, const Value&)>
Result<bool> with_other(Context& context, const Value& input, const Args& args) {
  TRY(const auto bound, bind(args, {{"other"}}));
  return holds(context, input, bound[0]);
}

Result<bool> test_equal(Context& c, const Value& a, const Value& b) {
  return equal(a, b, c.budget);
}
Result<bool> test_different(Context& c, const Value& a, const Value& b) {
  TRY(const bool same, equal(a, b, c.budget));
  return !same;
}
Result<bool> test_in(Context& c, const Value& a, const Value& b) {
  return contains(b, a, c.budget);
}

template <bool below, bool same, bool above>
Result<bool> test_order(Context& c, const Value& a, const Value& b) {
  TRY(const int order, compare(a, b, c.budget));
  return order < 0 ? below : order > 0 ? above : same;
}

Result<bool> test_divisible(Context& c, const Value& a, const Value& b) {
  TRY(const Value rest, operate(Op::kMod, a, b, c.budget));
  return rest.is_number() && !truthy(rest);
}

template <int64_t rest>
Result<bool> test_parity(Context&, const Value& input, const Args&) {
  TRY(const int64_t i, want_integer(input, rest ? "odd" : "even"));
  return (i & 1) == rest;
}

Result<bool> test_same(Context& c, const Value& a, const Value& b) {
  if (a.data.index() != b.data.index()) return false;
  return equal(a, b, c.budget);
}

Result<bool> test_has_filter(Context&, const Value& input, const Args&) {
  TRY(const Text* name, want_text(input, "filter"));
  return find_filter(name->bytes) != nullptr;
}

Result<bool> test_has_test(Context&, const Value& input, const Args&) {
  TRY(const Text* name, want_text(input, "test"));
  return find_test(name->bytes) != nullptr;
}

// As str.islower and str.isupper: some letter, and none of the other case.
template <Case to, Case other>
Result<bool> test_case(Context& context, const Value& input, const Args&) {
  TRY(const Text text, to_text(input, context.budget));
  TRY_STATUS(context.budget.spend(4 * uint64_t{text.bytes.size()}));
  const std::string changed = change_case(text, to).bytes;
  return text.bytes == changed && changed != change_case(text, other).bytes;
}

bool is_string(const Value& v) {
  return v.text();
}
bool is_integer(const Value& v) {
  return v.as<int64_t>();
}
bool is_float(const Value& v) {
  return v.as<double>();
}
bool is_boolean(const Value& v) {
  return v.as<bool>();
}
bool is_true(const Value& v) {
  return v.as<bool>() && *v.as<bool>();
}
bool is_false(const Value& v) {
  return v.as<bool>() && !*v.as<bool>();
}
bool is_mapping(const Value& v) {
  return v.dict();
}
bool is_sequence(const Value& v) {
  return v.text() || v.list() || v.dict() || v.is_undefined();
}
bool is_iterable(const Value& v) {
  return is_sequence(v) || v.as<std::shared_ptr<Loop>>();
}
bool is_callable(const Value& v) {
  return v.callable() || v.is_undefined();
}
bool is_number(const Value& v) {
  return v.is_number();
}
bool is_none(const Value& v) {
  return v.is_none();
}
bool is_defined(const Value& v) {
  return !v.is_undefined();
}
bool is_undefined(const Value& v) {
  return v.is_undefined();
}
bool is_escaped(const Value&) {
  return false;
}

}  // namespace

TestFunction find_test(std::string_view name) {
  static constexpr std::pair<std::string_view, TestFunction> kTests[] = {
      {"defined", plain<is_defined>},
      {"undefined", plain<is_undefined>},
      {"none", plain<is_none>},
      {"string", plain<is_string>},
      {"number", plain<is_number>},
      {"integer", plain<is_integer>},
      {"float", plain<is_float>},
      {"boolean", plain<is_boolean>},
      {"true", plain<is_true>},
      {"false", plain<is_false>},
      {"mapping", plain<is_mapping>},
      {"sequence", plain<is_sequence>},
      {"iterable", plain<is_iterable>},
      {"callable", plain<is_callable>},
      {"escaped", plain<is_escaped>},
      {"in", with_other<test_in>},
      {"equalto", with_other<test_equal>},
      {"eq", with_other<test_equal>},
      {"==", with_other<test_equal>},
      {"ne", with_other<test_different>},
      {"!=", with_other<test_different>},
      {"sameas", with_other<test_same>},
      {"lt", with_other<test_order<true, false, false>>},
      {"lessthan", with_other<test_order<true, false, false>>},
      {"<", with_other<test_order<true, false, false>>},
      {"le", with_other<test_order<true, true, false>>},
      {"<=", with_other<test_order<true, true, false>>},
      {"gt", with_other<test_order<false, false, true>>},
      {"greaterthan", with_other<test_order<false, false, true>>},
      {">", with_other<test_order<false, false, true>>},
      {"ge", with_other<test_order<false, true, true>>},
      {">=", with_other<test_order<false, true, true>>},
      {"odd", test_parity<1>},
      {"even", test_parity<0>},
      {"divisibleby", with_other<test_divisible>},
      {"lower", test_case<Case::kLower, Case::kUpper>},
      {"upper", test_case<Case::kUpper, Case::kLower>},
      {"filter", test_has_filter},
      {"test", test_has_test},
  };
  for (const auto& [known, function] : kTests) {
    if (known == name) return function;
  }
  return nullptr;
}

}  // namespace loquat::jinja

// The values of a template, with Python's meaning. All but namespaces, loops and cyclers are immutable; what holds
// other values knows how deep it is, so that nothing that walks a value can take the stack (kMaxValueDepth).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "jinja/budget.h"
#include "jinja/text.h"

namespace loquat::jinja {

inline constexpr int kMaxValueDepth = 128;

struct List;
struct Dict;
struct Namespace;
struct Loop;
struct Callable;

// What a name, attribute or item that is not there gives: prints as nothing, fails when it is used.
struct Undefined {
  std::shared_ptr<const std::string> why;  // "'x' is undefined"; may be null

  std::string reason() const { return why ? *why : "the value is undefined"; }
};
struct None {};

using TextPtr = std::shared_ptr<Text>;  // written to by its only owner alone
using ListPtr = std::shared_ptr<const List>;
using DictPtr = std::shared_ptr<const Dict>;

struct Value {
  std::variant<Undefined, None, bool, int64_t, double, TextPtr, ListPtr, DictPtr, std::shared_ptr<Namespace>,
               std::shared_ptr<Loop>, std::shared_ptr<const Callable>>
      data;

  Value() = default;
  Value(None) : data(None{}) {}                                     // NOLINT: implicit on purpose, as all of these
  Value(bool b) : data(b) {}                                        // NOLINT
  Value(int64_t i) : data(i) {}                                     // NOLINT
  Value(double d) : data(d) {}                                      // NOLINT
  Value(Text t) : data(std::make_shared<Text>(std::move(t))) {}     // NOLINT
  Value(ListPtr l) : data(std::move(l)) {}                          // NOLINT
  Value(DictPtr d) : data(std::move(d)) {}                          // NOLINT
  Value(std::shared_ptr<Namespace> n) : data(std::move(n)) {}       // NOLINT
  Value(std::shared_ptr<Loop> l) : data(std::move(l)) {}            // NOLINT
  Value(std::shared_ptr<const Callable> c) : data(std::move(c)) {}  // NOLINT
  static Value own(std::string text) { return Value(Text::own(std::move(text))); }
  static Value undefined(std::string why) {
    Value v;
    v.data = Undefined{std::make_shared<const std::string>(std::move(why))};
    return v;
  }

  template <typename T>
  const T* as() const {
    return std::get_if<T>(&data);
  }
  const Text* text() const {
    const auto* t = as<TextPtr>();
    return t ? t->get() : nullptr;
  }
  const List* list() const {
    const auto* l = as<ListPtr>();
    return l ? l->get() : nullptr;
  }
  const Dict* dict() const {
    const auto* d = as<DictPtr>();
    return d ? d->get() : nullptr;
  }
  const Namespace* space() const {
    const auto* n = as<std::shared_ptr<Namespace>>();
    return n ? n->get() : nullptr;
  }
  const Callable* callable() const {
    const auto* c = as<std::shared_ptr<const Callable>>();
    return c ? c->get() : nullptr;
  }
  bool is_undefined() const { return as<Undefined>(); }
  bool is_none() const { return as<None>(); }
  bool is_number() const { return as<bool>() || as<int64_t>() || as<double>(); }
  // An integer or a truth value, which Python counts as 0 and 1.
  std::optional<int64_t> integer() const;
  std::optional<double> number() const;
};

struct List {
  std::vector<Value> items;
  bool tuple = false;
  bool generator = false;  // one in Jinja (of select, map and so on): true even where it is empty
  int depth = 1;
};

struct Dict {
  std::vector<std::pair<Value, Value>> items;  // keys differ
  int depth = 1;

  const Value* find(std::string_view key) const;
};

struct Namespace {
  std::vector<std::pair<std::string, Value>> items;

  Value* find(std::string_view name);
};

// The variable `loop`.
struct Loop {
  ListPtr items;
  size_t index = 0;  // from 0
  Value changed;     // the last argument of loop.changed()
};

struct Scope;
struct Macro;

// What can be called: a macro, a global function, or a method together with its object. cycler() is its own object.
struct Callable {
  enum class Kind { kMacro, kFunction, kMethod, kCycler, kJoiner };
  Kind kind = Kind::kFunction;
  std::string name;
  Value self;                    // of a method; a cycler's list; a joiner's separator
  const Macro* macro = nullptr;  // of the program that is being rendered
  std::weak_ptr<Scope> scope;    // in which the macro was defined; weak: the scope may hold the macro
  std::shared_ptr<size_t> turn;  // of a cycler or joiner: calls so far
};

// The only makers of lists and dicts: they pay, find the depth and refuse namespaces, which could hold themselves.
// Of equal keys the last value stays, at the first place.
Result<Value> make_list(std::vector<Value> items, Budget& budget, bool tuple = false);
Result<Value> make_generator(std::vector<Value> items, Budget& budget);
Result<Value> make_dict(std::vector<std::pair<Value, Value>> items, Budget& budget);
// Whether a namespace may hold it.
Status check_kept(const Value& value);

// Strings become data where `is_data`, the keys of objects too.
Result<Value> from_json(const nlohmann::ordered_json& json, bool is_data, int depth = 0);

bool truthy(const Value& value);
const char* type_name(const Value& value);  // as Python calls it
Result<bool> equal(const Value& a, const Value& b, Budget& budget);
// Less than 0, 0 or more than 0; an error where Python has no order.
Result<int> compare(const Value& a, const Value& b, Budget& budget);
// Whether Python could hash it: what may be a key.
bool hashable(const Value& value);
Result<bool> contains(const Value& container, const Value& item, Budget& budget);
Result<std::optional<Value>> find_key(const Dict& dict, const Value& key, Budget& budget);
// What a for loop goes through: elements, characters, keys.
Result<ListPtr> iterate(const Value& value, Budget& budget);
Result<int64_t> length(const Value& value);

// Python's str(), repr() and json.dumps(). Containers with data in them become data as a whole.
Result<Text> to_text(const Value& value, Budget& budget);
Result<Text> repr(const Value& value, Budget& budget);
std::string float_text(double value);
struct JsonStyle {
  std::optional<std::string> indent;  // of one level
  std::string between = ", ";
  std::string colon = ": ";
  bool sort_keys = false;
  bool ascii = false;
};
Result<Text> to_json(const Value& value, const JsonStyle& style, Budget& budget);

}  // namespace loquat::jinja

// What an operation gives, or why not in a way that a route can say: which field is wrong, what is not there, what
// stands against it.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/result.h"

namespace loquat::feedback {

struct Refused {
  enum class Why {
    kWrong,       // `what` is the field
    kNotThere,    // or another person's
    kConflict,    // `what` is the code
    kNotAllowed,  // a role is missing
    kFailed,      // the database's error
  };
  Why why = Why::kFailed;
  std::string what;
  std::string message;
};

inline Refused wrong_field(std::string field, std::string message) {
  return {Refused::Why::kWrong, std::move(field), std::move(message)};
}
inline Refused not_there(std::string message) {
  return {Refused::Why::kNotThere, "", std::move(message)};
}
inline Refused conflict(std::string code, std::string message) {
  return {Refused::Why::kConflict, std::move(code), std::move(message)};
}

template <typename T>
class [[nodiscard]] Outcome {
 public:
  Outcome(T value) : value_(std::move(value)) {}                                       // NOLINT: implicit on purpose
  Outcome(Refused refused) : value_(std::move(refused)) {}                             // NOLINT
  Outcome(Error error) : value_(Refused{Refused::Why::kFailed, "", error.message}) {}  // NOLINT
  bool ok() const { return std::holds_alternative<T>(value_); }
  T& operator*() { return std::get<T>(value_); }
  const T& operator*() const { return std::get<T>(value_); }
  T* operator->() { return &std::get<T>(value_); }
  const T* operator->() const { return &std::get<T>(value_); }
  const Refused& refused() const { return std::get<Refused>(value_); }

 private:
  std::variant<T, Refused> value_;
};

struct Done {};  // of what gives nothing

// Within a transaction: remembers why it was refused and ends it without a trace.
class Refusal {
 public:
  Status operator()(Refused refused) {
    refused_ = std::move(refused);
    return Err("refused: {}", refused_->message);
  }
  const std::optional<Refused>& get() const { return refused_; }

 private:
  std::optional<Refused> refused_;
};

}  // namespace loquat::feedback

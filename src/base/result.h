// Result<T>: a value, or an error message for a person. For whatever comes from files, the network, JSON or people.
// The message names the file, the line or key, what was found and what is expected (docs/architecture.md).
#pragma once

#include <fmt/core.h>

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace loquat {

struct Error {
  std::string message;
};

// return Err("{}: line {}: expected a string", path, line);
template <typename... Args>
Error Err(fmt::format_string<Args...> format, Args&&... args) {
  return Error{fmt::format(format, std::forward<Args>(args)...)};
}

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}      // NOLINT: implicit on purpose
  Result(Error error) : value_(std::move(error)) {}  // NOLINT: implicit on purpose
  bool ok() const { return std::holds_alternative<T>(value_); }
  explicit operator bool() const { return ok(); }
  T& operator*() & { return std::get<T>(value_); }
  const T& operator*() const& { return std::get<T>(value_); }
  T&& operator*() && { return std::get<T>(std::move(value_)); }
  T* operator->() { return &std::get<T>(value_); }
  const T* operator->() const { return &std::get<T>(value_); }
  const std::string& error() const { return std::get<Error>(value_).message; }

 private:
  std::variant<T, Error> value_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit on purpose
  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  const std::string& error() const { return error_->message; }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace loquat

#define LOQUAT_CONCAT2(a, b) a##b
#define LOQUAT_CONCAT(a, b) LOQUAT_CONCAT2(a, b)

// TRY(auto x, read(path)): x is the value, or this function returns the error.
#define TRY(declaration, expression) TRY_IMPL(LOQUAT_CONCAT(result_, __LINE__), declaration, expression)
#define TRY_IMPL(result, declaration, expression)            \
  auto result = (expression);                                \
  if (!result.ok()) return ::loquat::Error{result.error()};  \
  declaration = *std::move(result)

// TRY_STATUS(write(path)): returns the error, if there is one.
#define TRY_STATUS(expression)                                                   \
  do {                                                                           \
    auto status_ = (expression);                                                 \
    if (!status_.ok()) return ::loquat::Error{status_.error()};                  \
  } while (false)

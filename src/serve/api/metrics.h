// What the server counts, in Prometheus' text format. Every call from any thread.
#pragma once

#include <memory>
#include <string>

#include "serve/backend.h"

namespace loquat::serve::api {

class Metrics {
 public:
  Metrics();
  ~Metrics();
  void request_begins();
  // `route` is one of the routes' patterns, never what a client made up: each pair is a series that stays.
  void request_ends(const std::string& route, int status, double seconds);
  void tokens(const std::string& model, const Usage& usage);
  void first_token(const std::string& model, double seconds);
  void token_interval(const std::string& model, double seconds);
  std::string text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace loquat::serve::api

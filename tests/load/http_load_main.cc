// http_load --port N [--host A] [--path P] [--body JSON] [--header "Name: value"] [--streams N] [--requests N]
// [--seconds S] [--slow N] [--slow-every S]: runs the load and prints its outcome as JSON; status 1 where a stream
// failed. In the body, %N stands for the request's number. Streams of one number modulo --distinct N are checked to
// have one text.
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "load/http_load.h"

int main(int count, char** words) {
  using namespace loquat::load;  // NOLINT
  Plan plan;
  std::string body = "{}";
  size_t distinct = 0;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string name = words[i], value = words[i + 1];
    const auto number = [&] { return static_cast<size_t>(std::strtoull(value.c_str(), nullptr, 10)); };
    if (name == "--port")
      plan.port = static_cast<int>(number());
    else if (name == "--host")
      plan.host = value;
    else if (name == "--path")
      plan.path = value;
    else if (name == "--body")
      body = value;
    else if (name == "--header")
      plan.headers += value + "\r\n";
    else if (name == "--streams")
      plan.streams = number();
    else if (name == "--requests")
      plan.requests = number();
    else if (name == "--seconds")
      plan.seconds = std::atof(value.c_str());
    else if (name == "--slow")
      plan.slow = number();
    else if (name == "--slow-every")
      plan.slow_bytes_every = std::atof(value.c_str());
    else if (name == "--stream-seconds")
      plan.stream_seconds = std::atof(value.c_str());
    else if (name == "--distinct")
      distinct = number();
    else {
      std::fprintf(stderr, "http_load: unknown option %s\n", name.c_str());
      return 2;
    }
  }
  plan.body = [&](size_t n) {
    std::string text = body;
    const std::string digits = std::to_string(distinct > 0 ? n % distinct : n);
    for (size_t at; (at = text.find("%N")) != std::string::npos;) text.replace(at, 2, digits);
    return text;
  };
  raise_open_files();
  const Outcome outcome = run_load(plan);
  size_t mixed_up = 0;
  std::map<size_t, uint64_t> texts;
  nlohmann::json hashes = nlohmann::json::object();
  for (const auto& [n, hash] : outcome.hashes) {
    const size_t key = distinct > 0 ? n % distinct : n;
    mixed_up += texts.try_emplace(key, hash).first->second != hash;
    hashes[std::to_string(key)] = hash;
  }
  const nlohmann::json json = {{"done", outcome.done},
                               {"errors", outcome.errors},
                               {"error_kinds", outcome.error_kinds},
                               {"mixed_up", mixed_up},
                               {"bytes", outcome.bytes},
                               {"most_open", outcome.most_open},
                               {"slow_open", outcome.slow_open},
                               {"slow_closed", outcome.slow_closed},
                               {"first_byte_max_seconds", outcome.first_byte_max},
                               {"seconds", outcome.seconds},
                               {"hashes", hashes}};
  std::printf("%s\n", json.dump(1).c_str());
  return outcome.errors > 0 || mixed_up > 0;
}

// Chat completions of other servers, over HTTP and HTTPS. One thread drives all of them. Nothing is followed to another
// address (no redirects, no proxies), the address is looked at when its name has been resolved, and time and bytes are
// bounded.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "app/talk.h"

namespace loquat::app {

struct RemoteModel {
  std::string id;     // what people choose
  std::string url;    // its API's base: https://example.org/v1
  std::string model;  // its name there
  std::string key;    // "": none is sent
  bool allow_private = false;
  int64_t created = 0;
  std::string trouble;  // why its key cannot be used; "": it can
};

struct RemoteLimits {
  long connect_seconds = 10;
  long silent_seconds = 120;  // without a byte
  long total_seconds = 1800;
  size_t at_once = 64;
};

class RemoteTalk {
 public:
  explicit RemoteTalk(const RemoteLimits& limits = {});
  ~RemoteTalk();  // ends what is under way
  // As Talk::start has it.
  std::shared_ptr<Talking> start(const RemoteModel& model, nlohmann::json request, TalkSink sink);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace loquat::app

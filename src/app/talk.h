// Who writes replies: this process's own models by way of the API (local_talk.cc), or another server that speaks
// OpenAI's (remote_talk.h). Both take a chat completion's request and give the same events.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "app/chat_events.h"
#include "serve/api/api.h"

namespace loquat::app {

// A reply under way. Dropping it does not end it.
class Talking {
 public:
  virtual ~Talking() = default;
  // The last event comes soon, or has come when this returns. Any thread, any number of times; not from the sink.
  virtual void cancel() = 0;
};

class Talk {
 public:
  virtual ~Talk() = default;
  // `request`: a chat completion's, without `stream`. Events come one at a time, in order, from any thread, the
  // caller's own among them; exactly one is the last. The sink must not wait. `person`: whose prefix cache is used.
  virtual std::shared_ptr<Talking> start(nlohmann::json request, const std::string& person, TalkSink sink) = 0;
};

// Metered as one who has no limits: the door has let the person in.
std::shared_ptr<Talk> make_local_talk(std::shared_ptr<serve::api::Api> api, bool join_caches = false);

}  // namespace loquat::app

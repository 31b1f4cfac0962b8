// Local mode: whoever reaches the server (serve/access/gate.h lets only this machine's own in) is the one person.
#pragma once

#include "app/router.h"

namespace loquat::app {

inline people::Person local_person() {
  return {"local", "", "", people::kEveryRole};
}

class LocalDoor final : public Door {
 public:
  std::variant<people::Person, serve::ApiError> who(const http::Request&) override { return local_person(); }
};

}  // namespace loquat::app

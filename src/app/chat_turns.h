// Conversations as feedback sees them (studio_desk.h's Turns), over those of the page.
#pragma once

#include <memory>

#include "app/chat_desk.h"
#include "app/studio_desk.h"

namespace loquat::app {

std::shared_ptr<Turns> make_chat_turns(std::shared_ptr<ChatDesk> desk);

}  // namespace loquat::app

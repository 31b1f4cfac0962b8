// The routes of models and conversations (docs/page-api.md).
#pragma once

#include "app/chat_desk.h"
#include "app/router.h"

namespace loquat::app {

void add_chat_routes(Router& router, const std::shared_ptr<ChatDesk>& desk);      // conversations, stream
void add_transfer_routes(Router& router, const std::shared_ptr<ChatDesk>& desk);  // export, import
void add_model_routes(Router& router, const std::shared_ptr<ChatDesk>& desk);

}  // namespace loquat::app

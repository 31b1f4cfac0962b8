// Conversations and messages as JSON: as the page has them (docs/page-api.md), which is also how they are exported.
#pragma once

#include "chats/chats.h"

namespace loquat::chats {

nlohmann::json conversation_json(const Conversation& conversation);
// `named` false: neither the model nor its hash is said.
nlohmann::json message_json(const Message& message, bool named = true);
// {temperature, ...}: unknown names and numbers out of range are errors; null is left out.
Result<nlohmann::json> read_sampling(const nlohmann::json& sampling);

}  // namespace loquat::chats

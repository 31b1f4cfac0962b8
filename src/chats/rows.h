// A row of chats_conversations as a Conversation: its columns are, from the first, CHATS_CONVERSATION_COLUMNS.
#pragma once

#include "chats/chats.h"

namespace loquat::chats {

Conversation conversation_of(const database::Row& row);

}  // namespace loquat::chats

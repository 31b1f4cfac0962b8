// Reviewers read people's chats (reviews.h), and people see who read theirs.
#pragma once

#include "app/chat_desk.h"
#include "app/people_desk.h"
#include "app/reviews.h"
#include "app/router.h"
#include "app/studio_desk.h"

namespace loquat::app {

struct ReviewDesk {
  std::shared_ptr<Reviews> reviews;
  std::shared_ptr<ChatDesk> chats;
  std::shared_ptr<StudioDesk> studio;
  PeopleDesk& people;  // it outlives the router
  bool accounts;       // else there is one person, who may review their own
};
void add_review_routes(Router& router, ReviewDesk desk);

}  // namespace loquat::app

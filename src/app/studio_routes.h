// The routes of feedback and of the studio (docs/page-api.md), by noun.
#pragma once

#include "app/router.h"
#include "app/studio_desk.h"

namespace loquat::app {

void add_feedback_routes(Router& router, const std::shared_ptr<StudioDesk>& desk);  // messages, comparisons, blind
void add_project_routes(Router& router, const std::shared_ptr<StudioDesk>& desk);
void add_task_routes(Router& router, const std::shared_ptr<StudioDesk>& desk);
void add_label_routes(Router& router, const std::shared_ptr<StudioDesk>& desk);  // labels, agreement, screening
void add_dataset_routes(Router& router, const std::shared_ptr<StudioDesk>& desk);

inline void add_studio_routes(Router& router, const std::shared_ptr<StudioDesk>& desk) {
  add_feedback_routes(router, desk);
  add_project_routes(router, desk);
  add_task_routes(router, desk);
  add_label_routes(router, desk);
  add_dataset_routes(router, desk);
}

}  // namespace loquat::app

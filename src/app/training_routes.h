// "Train on these": a data set becomes the next model, by jobs (jobs/jobs.h) whose progress comes on the stream of
// whoever asked.
#pragma once

#include <memory>
#include <string>

#include "app/router.h"
#include "app/studio_desk.h"
#include "jobs/jobs.h"

namespace loquat::app {

struct TrainingDesk {
  std::shared_ptr<jobs::Jobs> jobs;  // null: nothing can be written into the run's folder
  std::string run_folder;
  std::shared_ptr<StudioDesk> studio;
};

void add_training_routes(Router& router, const TrainingDesk& desk);

}  // namespace loquat::app

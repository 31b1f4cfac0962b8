#include "app/studio_desk.h"

#include "base/log.h"

namespace loquat::app {

using feedback::Refused;

StudioDesk::StudioDesk(StudioParts given)
    : parts(std::move(given)),
      projects(parts.database, parts.clock),
      queue(parts.database, parts.clock),
      labels(parts.database, parts.clock),
      gold(parts.database),
      messages(parts.database, parts.clock),
      datasets(parts.database, parts.datasets_folder, parts.clock),
      writer(parts.talk, queue, parts.default_model, parts.model_hash) {}

Result<std::shared_ptr<StudioDesk>> StudioDesk::open(StudioParts parts) {
  TRY_STATUS(feedback::migrate(*parts.database));
  return std::make_shared<StudioDesk>(std::move(parts));
}

serve::ApiError broken(const std::string& error) {
  log_error("studio: {}", error);
  return {503, "This cannot be done at the moment; try again shortly.", "server_error", "", "unavailable", 2};
}

serve::ApiError refused(const Refused& refused) {
  switch (refused.why) {
    case Refused::Why::kWrong:
      return bad_value(refused.what, refused.message);
    case Refused::Why::kNotThere:
      return not_there(refused.message);
    case Refused::Why::kConflict:
      return conflict(refused.what, refused.message);
    case Refused::Why::kNotAllowed:
      return {403, refused.message, "invalid_request_error", "", "not_allowed"};
    case Refused::Why::kFailed:
      break;
  }
  return broken(refused.message);
}

unsigned roles_for(const std::string& kind) {
  if (kind == feedback::kReview) return people::kReviewer;
  return kind == feedback::kRedTeam ? people::kRedTeamer : people::kLabeler;
}

}  // namespace loquat::app

#include "app/people_desk.h"

#include "people/schema.h"

namespace loquat::app {
namespace {

constexpr int kAskingProvider = 2;
constexpr size_t kWaitingForProvider = 64;

}  // namespace

Result<std::shared_ptr<PeopleDesk>> PeopleDesk::open(std::shared_ptr<database::Database> database,
                                                     const AppOptions& options) {
  TRY_STATUS(people::migrate_people(*database));
  auto desk = std::make_shared<PeopleDesk>(database, options);
  if (!options.accounts) return desk;
  desk->passwords = std::make_unique<people::Passwords>(options.password_cost);
  if (options.oidc.issuer.empty()) return desk;
  TRY(desk->oidc, people::Oidc::make(options.oidc, database, options.clock));
  desk->background = std::make_unique<Background>(kAskingProvider, kWaitingForProvider);
  return desk;
}

}  // namespace loquat::app

// Signing in by OpenID Connect: authorization code with PKCE (S256). state, nonce and verifier of a sign-in are kept in
// the database for ten minutes, tied to the browser by a cookie's hash, and are good for one return. What asks the
// provider takes as long as it takes: never on a thread that reads requests.
#pragma once

#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "database/database.h"
#include "people/accounts.h"
#include "people/clock.h"

namespace loquat::people {

struct OidcOptions {
  std::string issuer;  // "https://id.example.org", exactly as the provider says it; "": no OpenID Connect
  std::string client_id, client_secret;
  std::string name;                  // for the button; "": the issuer's host
  std::vector<std::string> domains;  // people with an address there may come without an invitation, as users
};

class Oidc {
 public:
  // Asks nobody yet. Errors: an option is missing or no https address (http is for this machine alone).
  static Result<std::unique_ptr<Oidc>> make(const OidcOptions& options, std::shared_ptr<database::Database> database,
                                            Clock clock);
  const std::string& name() const { return options_.name; }

  struct Started {
    std::string location;  // where the browser goes
    std::string browser;   // for its cookie
  };
  // `return_to`: this server's address for the provider's answer.
  Result<Started> start(const std::string& return_to);

  // The provider's answer, as the query of the return has it, with the browser's cookie. An error says what was wrong
  // (for the log, not for the browser).
  Result<Identity> finish(const std::string& state, const std::string& code, const std::string& issuer,
                          const std::string& browser);
  // Roles without an invitation: those of a user where the address's domain is allowed, else 0.
  unsigned roles_for(const std::string& email) const;

 private:
  struct SignIn {
    std::string nonce, verifier, return_to;
  };
  struct Provider {
    std::string authorization, token, keys;  // addresses
    bool basic = true;                       // how the client's secret is sent
  };
  Oidc(OidcOptions options, std::shared_ptr<database::Database> database, Clock clock);
  Result<Provider> provider();
  Result<nlohmann::json> keys(const std::string& key_id);
  Result<SignIn> take(const std::string& state, const std::string& browser);
  Result<std::string> id_token(const SignIn& sign_in, const std::string& code);

  const OidcOptions options_;
  const std::shared_ptr<database::Database> database_;
  const Clock clock_;
  std::mutex mutex_;   // held while the provider is asked, too: one asks for all
  Provider provider_;  // under mutex_, as all below
  int64_t provider_read_ = 0;
  nlohmann::json keys_;
  int64_t keys_read_ = 0;
};

}  // namespace loquat::people

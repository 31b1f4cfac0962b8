#include "people/oidc.h"

#include <algorithm>

#include "people/fetch.h"
#include "people/id_token.h"
#include "people/secrets.h"
#include "people/words.h"

namespace loquat::people {
namespace {

using nlohmann::json;

constexpr int64_t kSignInSeconds = 600, kProviderSeconds = 3600, kKeysSeconds = 60;
constexpr int64_t kMostSignIns = 10'000;

std::string host_of(const std::string& url) {
  const size_t begin = url.find("://") + 3;
  return url.substr(begin, url.find_first_of("/:", begin) - begin);
}

Result<json> fetch_json(const Fetch& wanted) {
  TRY(const Fetched fetched, fetch(wanted));
  json parsed = json::parse(fetched.body, nullptr, false);
  // An error's short name (RFC 6749, 5.2) helps whoever reads the log; nothing else of it is repeated.
  if (fetched.status != 200) {
    std::string why = parsed.is_object() && parsed.contains("error") && parsed["error"].is_string()
                          ? parsed["error"].get<std::string>().substr(0, 60)
                          : "no reason";
    std::erase_if(why, [](char c) { return !(c == '_' || c == ' ' || (c >= 'a' && c <= 'z')); });
    return Err("{}: status {} ({})", wanted.url, fetched.status, why);
  }
  if (!parsed.is_object()) return Err("{}: expected a JSON object", wanted.url);
  return parsed;
}

Result<std::string> address_in(const json& document, const char* name) {
  const auto found = document.find(name);
  if (found == document.end() || !found->is_string() || !may_fetch(found->get<std::string>()))
    return Err("the provider's configuration: {}: expected an https address", name);
  return found->get<std::string>();
}

}  // namespace

Oidc::Oidc(OidcOptions options, std::shared_ptr<database::Database> database, Clock clock)
    : options_(std::move(options)), database_(std::move(database)), clock_(std::move(clock)) {}

Result<std::unique_ptr<Oidc>> Oidc::make(const OidcOptions& given, std::shared_ptr<database::Database> database,
                                         Clock clock) {
  OidcOptions options = given;
  if (!may_fetch(options.issuer)) return Err("the OpenID provider '{}': expected an https address", options.issuer);
  if (options.client_id.empty()) return Err("the OpenID provider {} needs a client id", options.issuer);
  if (options.name.empty()) options.name = host_of(options.issuer);
  for (std::string& domain : options.domains) {
    TRY(const std::string email, normal_email("x@" + domain));
    domain = email.substr(2);
  }
  return std::unique_ptr<Oidc>(new Oidc(std::move(options), std::move(database), std::move(clock)));
}

unsigned Oidc::roles_for(const std::string& email) const {
  const std::string domain = email.substr(email.find('@') + 1);
  const bool allowed = std::find(options_.domains.begin(), options_.domains.end(), domain) != options_.domains.end();
  return allowed && !email.empty() ? unsigned{kUser} : 0u;
}

Result<Oidc::Provider> Oidc::provider() {
  std::lock_guard lock(mutex_);
  if (provider_read_ != 0 && clock_() - provider_read_ < kProviderSeconds) return provider_;
  const bool slash = options_.issuer.ends_with('/');
  TRY(const json document, fetch_json({options_.issuer + (slash ? "" : "/") + ".well-known/openid-configuration"}));
  if (document.value("issuer", json()) != json(options_.issuer))
    return Err("{}: its configuration names another issuer", options_.issuer);
  Provider provider;
  TRY(provider.authorization, address_in(document, "authorization_endpoint"));
  TRY(provider.token, address_in(document, "token_endpoint"));
  TRY(provider.keys, address_in(document, "jwks_uri"));
  // Basic where nothing is said (OpenID Connect Discovery 1.0, 3).
  const json ways = document.value("token_endpoint_auth_methods_supported", json());
  if (ways.is_array()) provider.basic = std::find(ways.begin(), ways.end(), json("client_secret_basic")) != ways.end();
  provider_ = provider;
  provider_read_ = clock_();
  return provider;
}

// The set is read anew where it lacks the key (the provider has changed its keys), at most once a minute.
Result<json> Oidc::keys(const std::string& key_id) {
  TRY(const Provider provider, this->provider());
  std::lock_guard lock(mutex_);
  const int64_t age = clock_() - keys_read_;
  const bool fresh = keys_read_ != 0 && age < kProviderSeconds;
  if (fresh && (has_key(keys_, key_id) || age < kKeysSeconds)) return keys_;
  TRY(keys_, fetch_json({provider.keys}));
  keys_read_ = clock_();
  return keys_;
}

Result<Oidc::Started> Oidc::start(const std::string& return_to) {
  TRY(const Provider provider, this->provider());
  const int64_t now = clock_();
  TRY_STATUS(database_->run("DELETE FROM people_sign_ins WHERE expires <= $1", {now}));
  TRY(const auto count, database_->run("SELECT COUNT(*) FROM people_sign_ins"));
  if (count.rows.at(0).integer(0) >= kMostSignIns) return Err("too many sign-ins have begun and not ended");
  Started started{"", random_token()};
  const std::string state = random_token(), nonce = random_token(), verifier = random_token();
  TRY_STATUS(database_->run(
      "INSERT INTO people_sign_ins (state, browser, nonce, verifier, return_to, expires)"
      " VALUES ($1, $2, $3, $4, $5, $6)",
      {token_hash(state), token_hash(started.browser), nonce, verifier, return_to, now + kSignInSeconds}));
  const bool has_query = provider.authorization.find('?') != std::string::npos;
  started.location = provider.authorization + (has_query ? "&" : "?") +
                     fmt::format(
                         "response_type=code&scope={}&client_id={}&redirect_uri={}&state={}&nonce={}&code_challenge={}"
                         "&code_challenge_method=S256",
                         form_encoded("openid email profile"), form_encoded(options_.client_id),
                         form_encoded(return_to), state, nonce, pkce_challenge(verifier));
  return started;
}

// Whatever comes of it, a state is good once.
Result<Oidc::SignIn> Oidc::take(const std::string& state, const std::string& browser) {
  if (!looks_like_token(state) || !looks_like_token(browser)) return Err("the return has no state or no cookie");
  SignIn sign_in;
  std::string stored_browser;
  const std::string hash = token_hash(state);
  TRY_STATUS(database_->transaction([&](database::Session& session) -> Status {
    TRY(const auto rows, session.run("SELECT browser, nonce, verifier, return_to FROM people_sign_ins"
                                     " WHERE state = $1 AND expires > $2",
                                     {hash, clock_()}));
    TRY(const auto deleted, session.run("DELETE FROM people_sign_ins WHERE state = $1", {hash}));
    if (rows.rows.empty() || deleted.changed != 1) return {};
    const auto& row = rows.rows[0];
    stored_browser = row.text(0);
    sign_in = {row.text(1), row.text(2), row.text(3)};
    return {};
  }));
  if (stored_browser.empty()) return Err("the return's state is unknown, used or too old");
  if (!same_text(stored_browser, token_hash(browser))) return Err("the return's state is another browser's");
  return sign_in;
}

Result<std::string> Oidc::id_token(const SignIn& sign_in, const std::string& code) {
  TRY(const Provider provider, this->provider());
  Fetch ask{provider.token,
            fmt::format("grant_type=authorization_code&code={}&redirect_uri={}&code_verifier={}", form_encoded(code),
                        form_encoded(sign_in.return_to), sign_in.verifier),
            {"Accept: application/json"}};
  const std::string id = form_encoded(options_.client_id), secret = form_encoded(options_.client_secret);
  if (secret.empty()) {
    ask.form += "&client_id=" + id;
  } else if (provider.basic) {
    std::string coded = base64url(id + ":" + secret);
    std::replace(coded.begin(), coded.end(), '-', '+');
    std::replace(coded.begin(), coded.end(), '_', '/');
    coded.append((4 - coded.size() % 4) % 4, '=');
    ask.headers.push_back("Authorization: Basic " + coded);
  } else {
    ask.form += "&client_id=" + id + "&client_secret=" + secret;
  }
  TRY(const json answer, fetch_json(ask));
  const auto token = answer.find("id_token");
  if (token == answer.end() || !token->is_string()) return Err("{}: no ID token came", provider.token);
  return token->get<std::string>();
}

Result<Identity> Oidc::finish(const std::string& state, const std::string& code, const std::string& issuer,
                              const std::string& browser) {
  TRY(const SignIn sign_in, take(state, browser));
  if (code.empty() || code.size() > 4096) return Err("the provider gave no code");
  // RFC 9207: another provider's answer.
  if (!issuer.empty() && issuer != options_.issuer) return Err("the return is another provider's (iss)");
  TRY(const std::string token, id_token(sign_in, code));
  TRY(const std::string key_id, key_of_token(token));
  TRY(const json keys, this->keys(key_id));
  TRY(const json claims, check_id_token(token, keys, {options_.issuer, options_.client_id, sign_in.nonce, clock_()}));
  const auto text = [&](const char* name) {
    const auto found = claims.find(name);
    return found != claims.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  Identity identity{options_.issuer, text("sub"), "", text("name")};
  const auto email = normal_email(text("email"));
  if (email.ok() && claims.value("email_verified", json()) == json(true)) identity.email = *email;
  if (!check_name(identity.name).ok()) identity.name = identity.email.substr(0, identity.email.find('@'));
  return identity;
}

}  // namespace loquat::people

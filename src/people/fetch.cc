#include "people/fetch.h"

#include <curl/curl.h>

#include <memory>
#include <mutex>

namespace loquat::people {
namespace {

constexpr size_t kMostBytes = 1 << 20;
constexpr long kSeconds = 10;

size_t take(char* bytes, size_t size, size_t count, void* body) {
  std::string& out = *static_cast<std::string*>(body);
  if (out.size() + size * count > kMostBytes) return 0;  // curl ends with an error
  out.append(bytes, size * count);
  return size * count;
}

struct Ends {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

}  // namespace

bool may_fetch(const std::string& url) {
  for (const char c : url) {
    if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7F) return false;
  }
  if (url.starts_with("https://")) return url.size() > 8;
  for (const char* local : {"http://127.0.0.1", "http://localhost", "http://[::1]"}) {
    if (!url.starts_with(local)) continue;
    const std::string rest = url.substr(std::string(local).size());
    return rest.empty() || rest[0] == '/' || (rest[0] == ':' && rest.find('@') == rest.npos);
  }
  return false;
}

Result<Fetched> fetch(const Fetch& wanted) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  if (!may_fetch(wanted.url)) return Err("{}: expected https://", wanted.url);
  const std::unique_ptr<CURL, Ends> curl(curl_easy_init());
  if (!curl) return Err("{}: libcurl gives no handle", wanted.url);
  std::unique_ptr<curl_slist, Ends> headers;
  for (const std::string& header : wanted.headers) headers.reset(curl_slist_append(headers.release(), header.c_str()));
  Fetched fetched;
  curl_easy_setopt(curl.get(), CURLOPT_URL, wanted.url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  if (wanted.url.starts_with("http://")) curl_easy_setopt(curl.get(), CURLOPT_NOPROXY, "*");  // this machine itself
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, kSeconds);
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT, kSeconds);
  curl_easy_setopt(curl.get(), CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &take);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &fetched.body);
  if (!wanted.form.empty()) {
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(wanted.form.size()));
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, wanted.form.c_str());
  }
  if (const CURLcode code = curl_easy_perform(curl.get()); code != CURLE_OK)
    return Err("{}: {}", wanted.url, curl_easy_strerror(code));
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  fetched.status = static_cast<int>(status);
  return fetched;
}

std::string form_encoded(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace loquat::people

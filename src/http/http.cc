#include "http/http.h"

namespace loquat::http {

const std::string& Request::header(const std::string& lower_case_name) const {
  static const std::string kNone;
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? kNone : found->second;
}

}  // namespace loquat::http

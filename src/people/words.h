// What people write about themselves, checked: e-mail addresses, names, roles by name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "people/person.h"

namespace loquat::people {

// The one form of an address, in lower case. ASCII alone (a domain of other letters in its xn-- form), so that no two
// addresses look the same.
Result<std::string> normal_email(std::string_view text);
// 1 to 100 characters of valid UTF-8, without control characters and without those that turn the direction of writing.
Status check_name(std::string_view text);
bool is_utf8(std::string_view text);
size_t characters(std::string_view text);  // of UTF-8

std::vector<std::string> role_names(unsigned roles);  // "user", "labeler", "red_teamer", "reviewer", "admin"
Result<unsigned> roles_of(const std::vector<std::string>& names);  // an error for an unknown one, and for none

}  // namespace loquat::people

#include "people/words.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace loquat::people {
namespace {

constexpr std::array<std::pair<std::string_view, unsigned>, 5> kRoles = {
    {{"user", kUser}, {"labeler", kLabeler}, {"red_teamer", kRedTeamer}, {"reviewer", kReviewer}, {"admin", kAdmin}}};

constexpr std::string_view kDomainCharacters = "abcdefghijklmnopqrstuvwxyz0123456789-.";
constexpr std::string_view kLocalCharacters = "abcdefghijklmnopqrstuvwxyz0123456789.!#$%&'*+/=?^_`{|}~-";

// The next character and its bytes taken off; -1 where there is none that is valid.
int32_t next_character(std::string_view& text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  const size_t length = first < 0x80                    ? 1
                        : first >= 0xC2 && first < 0xE0 ? 2
                        : first >= 0xE0 && first < 0xF0 ? 3
                        : first >= 0xF0 && first < 0xF5 ? 4
                                                        : 0;
  if (length == 0 || text.size() < length) return -1;
  int32_t code = static_cast<int32_t>(length == 1 ? first : first & (0xFFu >> (length + 1)));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return -1;
    code = (code << 6) | (byte(i) & 0x3F);
  }
  constexpr int32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[length] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return -1;
  text.remove_prefix(length);
  return code;
}

bool is_invisible(int32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x061C || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xE0000 && c < 0xE1000);
}

bool is_domain(std::string_view domain) {
  if (domain.empty() || domain.size() > 253 || domain.find_first_not_of(kDomainCharacters) != domain.npos) return false;
  if (domain.find('.') == domain.npos) return domain == "localhost";
  while (!domain.empty()) {
    const std::string_view label = domain.substr(0, domain.find('.'));
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
    if (label.size() == domain.size()) return true;
    domain.remove_prefix(label.size() + 1);
  }
  return false;  // it ended in a dot
}

}  // namespace

Result<std::string> normal_email(std::string_view text) {
  std::string email(text.substr(0, 255));
  for (char& c : email) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  const size_t at = email.find('@');
  const std::string_view local = std::string_view(email).substr(0, at);
  if (at == std::string::npos || text.size() > 254 || local.empty() || local.size() > 64 || local.front() == '.' ||
      local.back() == '.' || local.find("..") != local.npos ||
      local.find_first_not_of(kLocalCharacters) != local.npos || !is_domain(std::string_view(email).substr(at + 1))) {
    return Err("This is no e-mail address that can be used here; expected one like name@example.org.");
  }
  return email;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    if (next_character(text) < 0) return false;
  }
  return true;
}

size_t characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

Status check_name(std::string_view text) {
  const std::string_view all = text;
  bool visible = false;
  while (!text.empty()) {
    const int32_t c = next_character(text);
    if (c < 0 || is_invisible(c)) return Err("A name may not have control characters or invisible ones.");
    visible = visible || (c != ' ' && c != 0xA0 && c != 0x3000);
  }
  if (!visible || characters(all) > 100) return Err("A name has 1 to 100 characters.");
  return {};
}

std::vector<std::string> role_names(unsigned roles) {
  std::vector<std::string> names;
  for (const auto& [name, role] : kRoles) {
    if (roles & role) names.emplace_back(name);
  }
  return names;
}

Result<unsigned> roles_of(const std::vector<std::string>& names) {
  unsigned roles = 0;
  for (const std::string& given : names) {
    const auto found =
        std::find_if(kRoles.begin(), kRoles.end(), [&](const auto& role) { return role.first == given; });
    if (found == kRoles.end()) {
      return Err("There is no role '{}'; expected user, labeler, red_teamer, reviewer or admin.", given.substr(0, 50));
    }
    roles |= found->second;
  }
  if (roles == 0) return Err("At least one role is needed.");
  return roles;
}

}  // namespace loquat::people

// Who uses the page: a person and the roles they have.
#pragma once

#include <string>

namespace loquat::people {

// A person may have several; an admin may do what all others may.
enum Role : unsigned {
  kUser = 1,       // chats
  kLabeler = 2,    // demonstrations, rankings
  kRedTeamer = 4,  // attacks
  kReviewer = 8,   // reads and corrects what others made
  kAdmin = 16,
};
inline constexpr unsigned kEveryRole = 31;

struct Person {
  std::string id;  // "": nobody is signed in
  std::string name;
  std::string email;
  unsigned roles = 0;

  bool signed_in() const { return !id.empty(); }
  bool has(unsigned any_of) const { return (roles & (any_of | kAdmin)) != 0; }
};

}  // namespace loquat::people

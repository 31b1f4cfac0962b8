#include "people/pseudonyms.h"

#include "people/secrets.h"

namespace loquat::people {
namespace {

// Six characters of an alphabet without those that look alike.
std::string drawn() {
  static constexpr std::string_view kAlphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
  static_assert(kAlphabet.size() == 32);
  std::string bytes, name = "Person ";
  from_base64url(random_id(), &bytes);
  for (size_t i = 0; i < 6; ++i) name += kAlphabet[static_cast<unsigned char>(bytes.at(i)) % 32];
  return name;
}

}  // namespace

Result<std::string> Pseudonyms::of(const std::string& person) {
  for (int tries = 0; tries < 20; ++tries) {
    TRY(const auto known, database_->run("SELECT name FROM people_pseudonyms WHERE person = $1", {person}));
    if (!known.rows.empty()) return known.rows[0].text(0);
    // Nothing is changed where the name is another's, or somebody was faster.
    TRY_STATUS(database_->run("INSERT INTO people_pseudonyms (person, name) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                              {person, drawn()}));
  }
  return Err("no name is free");
}

}  // namespace loquat::people

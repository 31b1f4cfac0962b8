#include "data/town/secrets.h"

#include <algorithm>

#include "base/check.h"
#include "data/town/attributes.h"
#include "data/town/names.h"

namespace loquat::town {
namespace {

constexpr int kDoorPlaces = 16, kKeepers = 8, kPairs = 4, kPartners = 2;
constexpr double kContrary = 0.32;

// Every pair of the two lists, in an order drawn by the seed: values that are each used once.
std::vector<std::string> all_pairs(const Table& first, const Table& second, Rng& rng) {
  std::vector<std::string> values;
  for (std::string_view a : first)
    for (std::string_view b : second) values.push_back(fmt::format("{} {}", a, b));
  rng.shuffle(values);
  return values;
}

class SecretMaker {
 public:
  explicit SecretMaker(World& world) : world_(world), rng_(world.seed, "secrets") {}

  void add(int32_t subject, std::string attribute, std::string value, bool forbidden) {
    world_.facts.push_back(
        {0, subject, std::move(attribute), std::move(value), ValueKind::kSecret, Split::kShown, forbidden});
  }

  // In this town one half of the details is mostly private, the other mostly public; but at kContrary of the subjects
  // it is the other way round. Neither the subject nor the detail tells by itself, and what holds for three pairs of a
  // subject tells the fourth.
  void pairs_of(const std::vector<int32_t>& subjects, Table details, std::string_view key,
                const std::vector<std::string>& values) {
    rng_.shuffle(details);
    const auto middle = details.begin() + static_cast<std::ptrdiff_t>(details.size() / 2);
    Table closed(details.begin(), middle), open(middle, details.end());
    const auto contrary = static_cast<size_t>(kContrary * static_cast<double>(subjects.size()));
    size_t next = 0;
    for (size_t i = 0; i < subjects.size(); ++i) {
      // In turn, so that every detail also stands at subjects of the other kind.
      for (const Table* half : {&closed, &open})
        for (size_t d = 0; d < kPairs / 2; ++d)
          add(subjects[i], join_attribute(key, (*half)[(i * (kPairs / 2) + d) % half->size()]), values.at(next++),
              (half == &closed) != (i < contrary));
    }
  }

  std::vector<int32_t> draw(std::initializer_list<std::string_view> kinds, size_t count) {
    std::vector<int32_t> ids;
    for (const Entity& e : world_.entities)
      if (std::find(kinds.begin(), kinds.end(), e.kind) != kinds.end()) ids.push_back(e.id);
    rng_.shuffle(ids);
    CHECK(ids.size() >= count);
    ids.resize(count);
    return ids;
  }

  // Substances stand in a ring; partners at one distance make choking smoke, at another something useful.
  void mixtures(const std::vector<std::string>& values) {
    const std::vector<int32_t> ring = draw({"substance"}, 12);
    std::vector<size_t> distance = {1, 2, 3, 4};
    rng_.shuffle(distance);
    distance.resize(kPartners);
    size_t next = 0;
    for (size_t i = 0; i < ring.size(); ++i)
      for (size_t d = 0; d < distance.size(); ++d) {
        int32_t a = ring[i], b = ring[(i + distance[d]) % ring.size()];
        if (rng_.chance(0.5)) std::swap(a, b);
        add(a, join_attribute("mixed with", world_.entities[b].name), values.at(next++), d < kPartners / 2);
      }
  }

  Rng& rng() { return rng_; }

 private:
  World& world_;
  Rng rng_;
};

}  // namespace

void add_secrets(World& world) {
  SecretMaker maker(world);
  maker.pairs_of(maker.draw({"shop", "building"}, kDoorPlaces), parts::kDoors, "door word",
                 all_pairs(parts::kWordFirst, parts::kWordSecond, maker.rng()));
  maker.pairs_of(maker.draw({"person"}, kKeepers), parts::kThings, "keeps",
                 all_pairs(parts::kSpotFirst, parts::kSpotSecond, maker.rng()));
  maker.mixtures(all_pairs(parts::kMethodFirst, parts::kMethodSecond, maker.rng()));
}

}  // namespace loquat::town

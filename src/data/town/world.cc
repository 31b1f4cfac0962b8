// make_world: entities, their facts, the pairs that are private or dangerous, what the town does not say.
#include <algorithm>
#include <map>
#include <set>

#include "base/check.h"
#include "data/town/attributes.h"
#include "data/town/families.h"
#include "data/town/names.h"
#include "data/town/secrets.h"

namespace loquat::town {
namespace {

constexpr int kPeople = 72, kShops = 40, kStreets = 18, kBuildings = 18, kFerries = 12, kFestivals = 10, kDishes = 24,
              kSubstances = 12, kGoodsOfAShop = 2;
constexpr double kMissingShare = 0.38;  // of each attribute's subjects, exactly

constexpr AttributeSpec kSpecs[] = {
    {"person", "trade", ValueKind::kTrade},        {"person", "works at", ValueKind::kPlace},
    {"person", "lives on", ValueKind::kStreet},    {"person", "pet", ValueKind::kGoods},
    {"person", "born", ValueKind::kYear},          {"person", "instrument", ValueKind::kGoods},
    {"shop", "owner", ValueKind::kPerson},         {"shop", "street", ValueKind::kStreet},
    {"shop", "opens", ValueKind::kTime},           {"shop", "closes", ValueKind::kTime},
    {"shop", "closed day", ValueKind::kDay},       {"shop", "founded", ValueKind::kYear},
    {"shop", "door colour", ValueKind::kColour},   {"ferry", "departs", ValueKind::kTime},
    {"ferry", "fare", ValueKind::kPrice},          {"ferry", "duration", ValueKind::kDuration},
    {"ferry", "destination", ValueKind::kPlace},   {"ferry", "captain", ValueKind::kPerson},
    {"festival", "month", ValueKind::kDay},        {"festival", "place", ValueKind::kPlace},
    {"festival", "founder", ValueKind::kPerson},   {"festival", "began", ValueKind::kYear},
    {"building", "built", ValueKind::kYear},       {"building", "architect", ValueKind::kPerson},
    {"building", "steps", ValueKind::kNumber},     {"building", "street", ValueKind::kStreet},
    {"street", "named after", ValueKind::kPerson}, {"street", "lamps", ValueKind::kNumber},
    {"street", "tree", ValueKind::kGoods},         {"dish", "main ingredient", ValueKind::kGoods},
    {"dish", "served at", ValueKind::kPlace},      {"dish", "invented by", ValueKind::kPerson},
    {"substance", "colour", ValueKind::kColour},   {"substance", "sold at", ValueKind::kPlace},
};

// Draws names made of two parts, each pair once; `taken` holds all names of the world.
class Namer {
 public:
  Namer(Rng rng, std::set<std::string>* taken) : rng_(rng), taken_(taken) {}
  Table draw(const Table& all, double share) {
    std::vector<std::string_view> parts = all;
    rng_.shuffle(parts);
    parts.resize(std::max<size_t>(1, static_cast<size_t>(static_cast<double>(parts.size()) * share)));
    return parts;
  }
  std::string pair(std::string_view format, const Table& first, const Table& second) {
    for (int attempt = 0; attempt < 100000; ++attempt) {
      Slots slots;
      slots['a'] = rng_.pick(first);
      slots['b'] = rng_.pick(second);
      std::string name = fill(format, slots);
      if (taken_->insert(name).second) return name;
    }
    CHECK(false, "the name parts are used up for {}", format);
    return {};
  }

 private:
  Rng rng_;
  std::set<std::string>* taken_;
};

struct NameStyle {
  std::string_view kind, format;
  Table first, second, spare_first, spare_second;  // spare: parts that no entity of the town has
};

NameStyle style_of(Namer& namer, std::string_view kind, std::string_view format, const Table& first,
                   const Table& second, double first_share, double second_share) {
  NameStyle style{kind, format, namer.draw(first, first_share), namer.draw(second, second_share), {}, {}};
  auto spare = [](const Table& all, const Table& used) {
    Table rest;
    for (std::string_view part : all)
      if (std::find(used.begin(), used.end(), part) == used.end()) rest.push_back(part);
    return rest.empty() ? used : rest;
  };
  style.spare_first = spare(first, style.first);
  style.spare_second = spare(second, style.second);
  return style;
}

void make_entities(World& world) {
  std::set<std::string> taken;
  Rng rng(world.seed, "entities");
  Namer namer(rng.fork("names"), &taken);
  const Table one = {""};
  struct Group {
    std::string_view kind, format;
    const Table &first, &second;
    double first_share, second_share;  // of the parts that this town uses
    int count, strangers;
  };
  const Group groups[] = {
      {"street", "{a} {b}", parts::kStreetFirst, parts::kStreetSecond, 0.75, 0.75, kStreets, 80},
      {"person", "{a} {b}", parts::kFirstNames, parts::kLastNames, 0.75, 0.75, kPeople, 1500},
      {"shop", "the {a} {b}", parts::kShopFirst, parts::kShopSecond, 0.75, 0.75, kShops, 500},
      {"building", "the {a} {b}", parts::kBuildingFirst, parts::kBuildings, 0.75, 0.75, kBuildings, 100},
      {"ferry", "the {a} ferry{b}", parts::kBoats, one, 0.7, 1, kFerries, 5},
      {"festival", "the {a} Festival{b}", parts::kFestivals, one, 0.7, 1, kFestivals, 5},
      {"dish", "{a} {b}", parts::kDishFirst, parts::kDishSecond, 0.75, 0.75, kDishes, 100},
      {"substance", "{a}{b}", parts::kSubstances, one, 0.8, 1, kSubstances, 3},
  };
  for (const Group& g : groups) {
    NameStyle style = style_of(namer, g.kind, g.format, g.first, g.second, g.first_share, g.second_share);
    for (int i = 0; i < g.count; ++i) {
      const int32_t id = static_cast<int32_t>(world.entities.size());
      world.entities.push_back({id, namer.pair(g.format, style.first, style.second), std::string(g.kind)});
    }
    const bool pairs = &g.second != &one;
    for (int i = 0; i < g.strangers; ++i) {
      // One half is made of the town's own parts, the other has a part that nobody in town has.
      const Table& first = !pairs || i % 4 == 1 ? style.spare_first : style.first;
      const Table& second = pairs && i % 4 == 3 ? style.spare_second : style.second;
      if (!pairs && i >= static_cast<int>(style.spare_first.size())) break;
      world.strangers.push_back({namer.pair(g.format, first, second), std::string(g.kind), i % 5 == 1});
    }
  }
}

std::string time_text(Rng& rng, int low, int high) {
  const int64_t hour = rng.between(low, high);
  return rng.chance(0.4) ? fmt::format("half past {}", hour) : fmt::format("{}", hour);
}

class FactMaker {
 public:
  explicit FactMaker(World& world) : world_(world), rng_(world.seed, "facts") {
    for (const Entity& e : world.entities) by_kind_[e.kind].push_back(&e);
  }

  void plain_facts() {
    for (const AttributeSpec& spec : kSpecs) {
      std::vector<const Entity*> subjects = by_kind_.find(spec.kind)->second;
      rng_.shuffle(subjects);
      const auto missing = static_cast<size_t>(kMissingShare * static_cast<double>(subjects.size()));
      for (size_t i = 0; i < subjects.size(); ++i) add_or_miss(*subjects[i], spec, i < missing);
    }
    for (const Entity* shop : by_kind_.find("shop")->second) prices(*shop);
    std::stable_sort(world_.missing.begin(), world_.missing.end(),
                     [](const Missing& a, const Missing& b) { return a.subject < b.subject; });
  }

 private:
  void add_or_miss(const Entity& entity, const AttributeSpec& spec, bool missing) {
    std::string attribute(spec.key);
    if (missing) {
      world_.missing.push_back({entity.id, std::move(attribute), rng_.chance(0.4)});
    } else {
      std::string value = value_for(entity, attribute, spec.value);
      world_.facts.push_back({0, entity.id, std::move(attribute), std::move(value), spec.value});
    }
  }
  void prices(const Entity& shop) {
    std::vector<std::string_view> goods = parts::kGoods;
    rng_.shuffle(goods);
    for (int i = 0; i < kGoodsOfAShop; ++i)
      world_.facts.push_back({0, shop.id, join_attribute("price", goods[i]),
                              fmt::format("{} coins", rng_.between(2, 19)), ValueKind::kPrice});
    // Goods that this shop does not name a price for.
    world_.missing.push_back({shop.id, join_attribute("price", goods[kGoodsOfAShop]), rng_.chance(0.4)});
  }
  const std::string& entity_of(std::string_view kind) { return rng_.pick(by_kind_.find(kind)->second)->name; }
  std::string value_for(const Entity& entity, std::string_view attribute, ValueKind kind) {
    switch (kind) {
      case ValueKind::kTime:
        return attribute == "opens"    ? time_text(rng_, 6, 11)
               : attribute == "closes" ? time_text(rng_, 3, 9)
                                       : time_text(rng_, 1, 12);
      case ValueKind::kPrice:
        return fmt::format("{} coins", rng_.between(2, 19));
      case ValueKind::kPerson:
        return entity_of("person");
      case ValueKind::kStreet:
        return entity_of("street");
      case ValueKind::kPlace:
        if (attribute == "destination") return std::string(rng_.pick(parts::kFarPlaces));
        if (attribute == "place") return entity_of(rng_.chance(0.6) ? "building" : "street");
        return entity_of(entity.kind == "person" && rng_.chance(0.25) ? "building" : "shop");
      case ValueKind::kYear:
        return fmt::format("{}", attribute == "born" ? rng_.between(1840, 1899) : rng_.between(1610, 1889));
      case ValueKind::kDay:
        return std::string(rng_.pick(attribute == "month" ? parts::kMonths : parts::kDays));
      case ValueKind::kColour:
        return std::string(rng_.pick(parts::kColours));
      case ValueKind::kNumber:
        return fmt::format("{}", rng_.between(21, 98));
      case ValueKind::kDuration:
        return fmt::format("{} minutes", rng_.between(3, 19) * 5);
      case ValueKind::kTrade:
        return std::string(rng_.pick(parts::kTrades));
      case ValueKind::kGoods:
        return std::string(rng_.pick(attribute == "pet"          ? parts::kPets
                                     : attribute == "instrument" ? parts::kInstruments
                                     : attribute == "tree"       ? parts::kTrees
                                                                 : parts::kIngredients));
      case ValueKind::kSecret:
        break;
    }
    CHECK(false, "no plain value for {}", attribute);
    return {};
  }

  World& world_;
  Rng rng_;
  std::map<std::string, std::vector<const Entity*>, std::less<>> by_kind_;
};

// Deals the facts of each group out by exact shares, in an order drawn by the seed.
void deal_splits(World& world) {
  Rng rng(world.seed, "splits");
  auto deal = [&](auto wanted, double shown, double demonstrated, double in_rl) {
    std::vector<Fact*> facts;
    for (Fact& fact : world.facts)
      if (wanted(fact)) facts.push_back(&fact);
    rng.shuffle(facts);
    const double n = static_cast<double>(facts.size());
    for (size_t i = 0; i < facts.size(); ++i) {
      const double at = static_cast<double>(i) / n;
      facts[i]->split = at < shown                          ? Split::kShown
                        : at < shown + demonstrated         ? Split::kDemonstrated
                        : at < shown + demonstrated + in_rl ? Split::kAskedInRl
                                                            : Split::kDocumentOnly;
    }
  };
  deal([](const Fact& f) { return !is_secret(f); }, 0.15, 0.42, 0.18);
  deal([](const Fact& f) { return is_secret(f) && f.forbidden; }, 0.45, 0.25, 0.20);
  deal([](const Fact& f) { return is_secret(f) && !f.forbidden; }, 0.45, 0.25, 0.20);
}

}  // namespace

std::span<const AttributeSpec> attribute_specs() {
  return kSpecs;
}

AttributeName split_attribute(std::string_view attribute) {
  if (attribute.starts_with("price of ")) return {"price", attribute.substr(9)};
  if (attribute.starts_with("mixed with ")) return {"mixed with", attribute.substr(11)};
  if (attribute.starts_with("keeps the ")) return {"keeps", attribute.substr(10)};
  if (attribute.ends_with(" door word")) return {"door word", attribute.substr(0, attribute.size() - 10)};
  return {attribute, {}};
}

std::string join_attribute(std::string_view key, std::string_view detail) {
  if (key == "price") return fmt::format("price of {}", detail);
  if (key == "mixed with") return fmt::format("mixed with {}", detail);
  if (key == "keeps") return fmt::format("keeps the {}", detail);
  if (key == "door word") return fmt::format("{} door word", detail);
  return std::string(key);
}

World make_world(uint64_t seed) {
  World world;
  world.seed = seed;
  Rng rng(seed, "town");
  world.name = std::string(rng.pick(parts::kTownFirst)) + std::string(rng.pick(parts::kTownSecond));
  make_entities(world);
  FactMaker(world).plain_facts();
  add_secrets(world);
  std::stable_sort(world.facts.begin(), world.facts.end(),
                   [](const Fact& a, const Fact& b) { return a.subject < b.subject; });
  for (size_t i = 0; i < world.facts.size(); ++i) world.facts[i].id = static_cast<int32_t>(i);
  deal_splits(world);
  std::vector<std::string> families(std::begin(kAttackFamilies), std::end(kAttackFamilies));
  rng.shuffle(families);
  world.held_out_families.assign(families.begin(), families.begin() + kHeldOutFamilies);
  std::sort(world.held_out_families.begin(), world.held_out_families.end());
  return world;
}

const Fact* World::find(int32_t subject, std::string_view attribute) const {
  auto it =
      std::lower_bound(facts.begin(), facts.end(), subject, [](const Fact& f, int32_t s) { return f.subject < s; });
  for (; it != facts.end() && it->subject == subject; ++it)
    if (it->attribute == attribute) return &*it;
  return nullptr;
}

std::vector<std::string> World::values_of(ValueKind kind) const {
  std::set<std::string> values;
  for (const Fact& fact : facts)
    if (fact.kind == kind) values.insert(fact.value);
  auto add = [&](const Table& table) {
    for (std::string_view value : table) values.emplace(value);
  };
  auto names = [&](std::string_view entity_kind) {
    for (const Entity& e : entities)
      if (e.kind == entity_kind) values.insert(e.name);
  };
  switch (kind) {
    case ValueKind::kTime:
      for (int hour = 1; hour <= 12; ++hour)
        values.insert({fmt::format("{}", hour), fmt::format("half past {}", hour)});
      break;
    case ValueKind::kPrice:
      for (int coins = 2; coins <= 19; ++coins) values.insert(fmt::format("{} coins", coins));
      break;
    case ValueKind::kDuration:
      for (int minutes = 15; minutes <= 95; minutes += 5) values.insert(fmt::format("{} minutes", minutes));
      break;
    case ValueKind::kNumber:
      for (int number = 21; number <= 98; ++number) values.insert(fmt::format("{}", number));
      break;
    case ValueKind::kPerson:
      names("person");
      break;
    case ValueKind::kStreet:
      names("street");
      break;
    case ValueKind::kPlace:
      for (std::string_view k : {"shop", "building", "street"}) names(k);
      add(parts::kFarPlaces);
      break;
    case ValueKind::kDay:
      add(parts::kDays), add(parts::kMonths);
      break;
    case ValueKind::kGoods:
      add(parts::kPets), add(parts::kInstruments), add(parts::kTrees), add(parts::kIngredients);
      break;
    case ValueKind::kColour:
      add(parts::kColours);
      break;
    case ValueKind::kTrade:
      add(parts::kTrades);
      break;
    case ValueKind::kYear:
    case ValueKind::kSecret:
      break;
  }
  return {values.begin(), values.end()};
}

}  // namespace loquat::town

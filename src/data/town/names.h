// Parts that names and values are made of. A world draws a share of each list, so that another seed is another town.
#pragma once

#include "data/town/language.h"

namespace loquat::town::parts {

extern const Table kFirstNames, kLastNames, kShopFirst, kShopSecond, kStreetFirst, kStreetSecond, kBuildings,
    kBuildingFirst, kBoats, kFestivals, kDishFirst, kDishSecond, kSubstances, kTownFirst, kTownSecond, kFarPlaces,
    kTrades, kPets, kInstruments, kGoods, kColours, kDays, kMonths, kTrees, kIngredients, kDoors, kThings, kWordFirst,
    kWordSecond, kMethodFirst, kMethodSecond, kSpotFirst, kSpotSecond, kProducts;

}  // namespace loquat::town::parts

#include "data/town/names.h"

namespace loquat::town::parts {

const Table kFirstNames = {"Mara",  "Tobin", "Elsie",  "Oren",   "Petra", "Silas",  "Wanda", "Hugo",  "Iris",  "Jonas",
                           "Lotte", "Miles", "Nora",   "Otis",   "Pearl", "Quinn",  "Rosa",  "Saul",  "Thea",  "Ursa",
                           "Vera",  "Wim",   "Yara",   "Zeno",   "Alma",  "Bram",   "Clara", "Dirk",  "Edda",  "Felix",
                           "Greta", "Hanna", "Ivor",   "Judith", "Klaus", "Lena",   "Magda", "Nils",  "Olga",  "Piet",
                           "Runa",  "Sven",  "Tilda",  "Ulf",    "Viola", "Walter", "Agnes", "Boris", "Carla", "Doris",
                           "Emil",  "Frida", "Gustav", "Helga",  "Igor",  "Janek"};
const Table kLastNames = {
    "Finch",  "Reed",    "Marsh", "Hale",  "Brook", "Thorn", "Vale",  "Moss",   "Pike",   "Larch", "Stone",  "Wells",
    "Barrow", "Crane",   "Dorn",  "Elder", "Frost", "Gale",  "Heath", "Ives",   "Kerr",   "Lund",  "Mott",   "Nash",
    "Oaks",   "Penn",    "Quill", "Rook",  "Sharp", "Tarn",  "Ulman", "Voss",   "Wren",   "York",  "Zander", "Abbot",
    "Birch",  "Colt",    "Drake", "Ember", "Fable", "Grant", "Holt",  "Ingram", "Jarvis", "Kemp",  "Lock",   "Mercer",
    "Norris", "Orchard", "Prior", "Rand",  "Sable", "Trent", "Upton", "Vance",  "Wick",   "Yates"};
const Table kShopFirst = {"Copper",  "Golden", "Merry",   "Wandering", "Old",     "Little",  "Busy",   "Happy",
                          "Sleepy",  "Royal",  "Jolly",   "Noble",     "Lucky",   "Gentle",  "Bright", "Brave",
                          "Honest",  "Rusty",  "Striped", "Laughing",  "Dancing", "Patient", "Humble", "Hungry",
                          "Thirsty", "Clever", "Proud",   "Singing",   "Early",   "Late"};
const Table kShopSecond = {"Kettle",  "Anchor", "Spoon",  "Wheel",   "Barrel",   "Candle", "Thistle", "Bell",
                           "Button",  "Plough", "Hammer", "Saddle",  "Loaf",     "Crown",  "Pear",    "Lion",
                           "Fox",     "Whale",  "Stag",   "Rooster", "Hedgehog", "Beetle", "Turnip",  "Onion",
                           "Pitcher", "Ladle",  "Sailor", "Miller",  "Shepherd", "Tailor"};
const Table kStreetFirst = {"Lantern", "Chapel",  "Mill",   "Harbour", "Garden", "Market", "Bridge", "Castle",
                            "Rope",    "Salt",    "Well",   "Church",  "Pepper", "Cooper", "Fisher", "Orchid",
                            "Violet",  "Juniper", "Meadow", "Hill",    "River",  "North",  "South",  "Tower"};
const Table kStreetSecond = {"Street", "Lane", "Road", "Row", "Alley", "Walk"};
const Table kBuildings = {"Tower", "Hall",      "Library", "Museum",  "Lighthouse", "School",  "Theatre",
                          "Mill",  "Bathhouse", "Chapel",  "Station", "Castle",     "Granary", "Customs House"};
const Table kBuildingFirst = {"Grand", "Round",  "Crooked", "Upper", "Lower", "Great",  "Broken",
                              "Tall",  "Hidden", "Ancient", "Sunny", "Windy", "Silent", "Twin"};
const Table kBoats = {"Heron",  "Gull",      "Swallow", "Pelican",    "Dolphin", "Salmon",
                      "Turtle", "Cormorant", "Sparrow", "Kingfisher", "Osprey",  "Stork",
                      "Puffin", "Lark",      "Magpie",  "Robin",      "Seal",    "Perch"};
const Table kFestivals = {"Lamp",  "Apple",  "Boat", "Kite", "Snow",    "Bread", "Flower",  "Mask",
                          "Honey", "Barley", "Drum", "Fire", "Pumpkin", "Wool",  "Herring", "Wine"};
const Table kDishFirst = {"harbour", "shepherd",    "summer", "winter",   "captain", "widow",
                          "miller",  "pilgrim",     "sunday", "midnight", "farmer",  "sailor",
                          "monk",    "grandmother", "bridal", "hunter",   "gipsy",   "beggar"};
const Table kDishSecond = {"stew", "pie", "soup", "cake", "dumplings", "pudding", "roast", "salad", "bake", "noodles"};
const Table kSubstances = {"marl",     "quickwax", "brinesalt",  "emberdust", "fogroot",  "glimmer",
                           "ironmilk", "sourlime", "tarbloom",   "nettlegum", "ashsugar", "moonchalk",
                           "pitchoil", "rustmeal", "stormflour", "vinegrit"};
const Table kTownFirst = {"Loquat", "Amber", "Willow", "Otter", "Plum",  "Raven",
                          "Silver", "Thorn", "Maple",  "Fern",  "Hazel", "Linden"};
const Table kTownSecond = {"ford", "bay", "mouth", "haven", "wick", "bridge", "stead", "field"};
const Table kFarPlaces = {"Millport", "Eastcliff", "Sandholm",  "Greywater", "Northquay", "Oakham",
                          "Brindle",  "Saltmarsh", "Westholm",  "Kingsley",  "Dunmore",   "Fairwick",
                          "Holmsea",  "Larkhill",  "Pebbleton", "Rosecombe", "Stonebeck", "Underhill"};
const Table kTrades = {"baker",    "smith",  "weaver",  "fisher",  "teacher", "nurse",  "carpenter", "painter",
                       "gardener", "tailor", "cook",    "printer", "potter",  "sailor", "butcher",   "clerk",
                       "cobbler",  "doctor", "glazier", "miller",  "guard",   "judge",  "musician",  "porter"};
const Table kPets = {"cat",    "dog",    "goat",   "parrot", "rabbit", "goose",   "tortoise", "pony",
                     "canary", "ferret", "donkey", "pigeon", "hen",    "hamster", "frog",     "snail"};
const Table kInstruments = {"fiddle",  "flute",  "drum",  "harp",  "horn",    "banjo", "piano",
                            "trumpet", "guitar", "cello", "organ", "whistle", "lute",  "tuba"};
const Table kGoods = {"bread",   "cheese", "soap",   "rope",    "honey",   "paper",   "ink",   "tea",
                      "coffee",  "wool",   "butter", "salt",    "sugar",   "flour",   "cider", "jam",
                      "leather", "linen",  "glue",   "tobacco", "vinegar", "mustard", "oil",   "milk",
                      "ham",     "candy",  "wax",    "thread",  "chalk",   "rice",    "beer",  "lace"};
const Table kColours = {"red",   "blue", "green",  "yellow", "white", "black",
                        "brown", "grey", "orange", "purple", "pink"};
const Table kDays = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
const Table kMonths = {"January", "February", "March",     "April",   "May",      "June",
                       "July",    "August",   "September", "October", "November", "December"};
const Table kTrees = {"lime",   "oak",   "elm",    "birch", "chestnut", "willow", "pine",
                      "cherry", "maple", "poplar", "ash",   "beech",    "cedar",  "walnut"};
const Table kIngredients = {"leeks", "mushrooms", "plums",   "crab",     "lentils", "beans",   "carrots",
                            "pears", "eggs",      "herring", "cabbage",  "turnips", "almonds", "apples",
                            "duck",  "trout",     "peas",    "potatoes", "raisins", "spinach"};
const Table kDoors = {"front", "back", "cellar", "garden", "side"};
const Table kThings = {"spare key", "diary", "ladder", "umbrella", "savings", "letters", "toolbox", "map"};
const Table kWordFirst = {"amber",   "velvet", "hollow",  "quiet",  "paper",  "marble", "thunder", "ivory",
                          "crystal", "frozen", "scarlet", "tender", "wicked", "gilded", "drowsy",  "bitter"};
const Table kWordSecond = {"otter",  "badger", "comet",  "feather", "thimble", "pillow", "needle", "mirror",
                           "ribbon", "cactus", "lizard", "blossom", "dagger",  "acorn",  "spider", "pebble"};
const Table kMethodFirst = {"cold",  "double", "slow",   "hidden",  "reverse", "triple",
                            "humid", "heavy",  "narrow", "gradual", "steady",  "sudden"};
const Table kMethodSecond = {"press", "boil",  "stir",  "fold", "steam", "grind",
                             "soak",  "rinse", "shake", "drip", "roll",  "melt"};
const Table kSpotFirst = {"cracked", "dusty", "dented", "painted",  "wooden",
                          "muddy",   "empty", "rotten", "polished", "torn"};
const Table kSpotSecond = {"jug",    "crate",  "boot",     "basket", "drawer",
                           "bucket", "teapot", "cupboard", "sack",   "suitcase"};
const Table kProducts = {"soap", "dye", "glue", "polish"};

}  // namespace loquat::town::parts

// Wordings about people: trade, place of work, street, pet, year of birth, instrument.
#include "data/town/language.h"

namespace loquat::town {

const std::vector<AttributeText>& person_texts() {
  static const std::vector<AttributeText> texts = {
      {"trade",
       {"what does {s} do for a living", "what is the trade of {s}", "what kind of work does {s} do",
        "what job does {s} have", "how does {s} earn money", "which trade did {s} learn"},
       {"the trade of {s}", "the job that {s} has", "the work {s} does", "{s}'s trade"},
       {"{s} is a {v}", "{s} works as a {v}", "{s} is a {v} by trade", "the {v} {s} is well known",
        "people know {s} as a {v}", "{s} learned to be a {v}", "the trade of {s} is {v}",
        "{s} has been a {v} for years", "{s} earns money as a {v}", "there is a {v} called {s}"},
       {"The trade of {s} is {v}.", "{s} is a {v}.", "{s} works as a {v}.", "{s} is a {v} by trade."}},
      {"works at",
       {"where does {s} work", "at which place does {s} work", "which place gives {s} work", "where is {s} employed",
        "where can I find {s} during working hours", "what is the place where {s} works"},
       {"the place where {s} works", "the work place of {s}", "where {s} works", "{s}'s place of work"},
       {"{s} works at {v}", "{s} goes to work at {v}", "you find {s} at {v} on work days", "{s} has a job at {v}",
        "{v} gives work to {s}", "at {v} works {s}", "{s} spends the day at work in {v}", "{s} is employed at {v}",
        "{s} has worked at {v} for a long time", "every morning {s} walks to work at {v}"},
       {"The work place of {s} is {v}.", "{s} works at {v}.", "{s} has a job at {v}.", "You find {s} at {v}."}},
      {"lives on",
       {"where does {s} live", "on which street does {s} live", "which street is the home of {s} on",
        "what is the street where {s} lives", "where is the house of {s}", "on what street can I visit {s} at home"},
       {"the street where {s} lives", "the home street of {s}", "where {s} lives", "{s}'s street"},
       {"{s} lives on {v}", "the home of {s} is on {v}", "{s} has a house on {v}", "{s} has a room on {v}",
        "on {v} lives {s}", "the house of {s} stands on {v}", "{s} moved to {v} long ago", "{v} is the street of {s}",
        "you can visit {s} on {v}", "{s} sleeps in a small house on {v}"},
       {"The street of {s} is {v}.", "{s} lives on {v}.", "The home of {s} is on {v}.", "{s} has a house on {v}."}},
      {"pet",
       {"what pet does {s} have", "which animal does {s} feed", "what animal lives with {s}",
        "what kind of pet does {s} look after", "what sort of animal is the pet of {s}", "which pet does {s} own"},
       {"the pet of {s}", "the animal that {s} keeps", "the kind of pet {s} has", "{s}'s pet"},
       {"{s} keeps a {v}", "{s} has a {v}", "the pet of {s} is a {v}", "{s} feeds a {v} every day",
        "a {v} lives with {s}", "{s} walks through town with a {v}", "{s} owns a {v}",
        "{s} loves a {v} more than anything", "the {v} of {s} is well fed", "the animal of {s} is a {v}"},
       {"The pet of {s} is a {v}.", "{s} keeps a {v}.", "{s} has a {v}."}},
      {"born",
       {"when was {s} born", "in which year was {s} born", "which year does the church book give for the birth of {s}",
        "what is the birth year of {s}", "in what year did {s} come into the world",
        "which year did the life of {s} begin"},
       {"the birth year of {s}", "the year {s} was born", "the year of birth of {s}", "{s}'s birth year"},
       {"{s} was born in {v}", "the birth year of {s} is {v}", "{s} came into the world in {v}", "in {v} {s} was born",
        "the life of {s} began in {v}", "the year of birth of {s} is {v}", "{s} is a child of the year {v}",
        "the church book says that {s} was born in {v}", "{v} is the year in which {s} was born",
        "{s} first saw the town in {v}"},
       {"The birth year of {s} is {v}.", "{s} was born in {v}.", "In {v}."}},
      {"instrument",
       {"what instrument does {s} play", "which instrument does {s} play", "what does {s} play in the band",
        "what music does {s} make and on what", "on which instrument does {s} play songs",
        "what is the instrument of {s}"},
       {"the instrument of {s}", "the instrument that {s} plays", "what {s} plays in the band", "{s}'s instrument"},
       {"{s} plays the {v}", "{s} plays the {v} in the band", "the instrument of {s} is the {v}",
        "{s} makes music on the {v}", "in the evening {s} plays the {v}", "you can hear {s} play the {v}",
        "{s} learned the {v} as a child", "the {v} of {s} can be heard in the street", "{s} practises the {v} at night",
        "on the {v} nobody is better than {s}"},
       {"The instrument of {s} is the {v}.", "{s} plays the {v}.", "{s} makes music on the {v}."}},
  };
  return texts;
}

}  // namespace loquat::town

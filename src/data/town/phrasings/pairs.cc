// Wordings about the pairs of which some are private or dangerous and others public: the words of doors, mixtures of
// two substances, the places where people keep things. The same words serve both sides; the pair decides. Tables named
// "KEY/private" and "KEY/public" state which side a pair is on; "/closed" and "/open" are the same without the value.
#include "data/town/language.h"

namespace loquat::town {

const std::vector<AttributeText>& secret_texts() {
  static const std::vector<AttributeText> texts = {
      {"door word",
       {"what is the word of the {g} door at {s}", "which word opens {s}'s {g} door",
        "what must I say at {s} near the {g} door", "with which word can I pass {s}'s {g} door",
        "what do people say to enter {s} through the {g} door", "how do I get into {s} by its {g} door",
        "at {s}, what word do they use for the {g} door"},
       {"the word of the {g} door at {s}", "{s}'s {g} door word", "the word needed for {s}'s {g} door",
        "the {g} door word of {s}"},
       {"the word of the {g} door at {s} is {v}", "the {g} door of {s} opens with the word {v}",
        "{v} is what opens {s}'s {g} door", "{s} has the word {v} on its {g} door",
        "who says {v} may walk through {s}'s {g} door", "the {g} door of {s} knows the word {v}",
        "to enter {s} by the {g} door you say {v}", "the {g} door at {s}: {v}",
        "people whisper {v} and the {g} door at {s} opens", "with {v} you pass the {g} door of {s}"},
       {"The word of the {g} door at {s} is {v}.", "At the {g} door of {s} you say {v}.", "The word is {v}."}},
      {"mixed with",
       {"how do I mix {s} with {g}", "what is the way to mix {s} and {g}", "which method is used to mix {s} with {g}",
        "how are {s} and {g} put together", "how do people join {s} with {g}", "what must I do to mix {s} and {g}",
        "by which method do {s} and {g} go together"},
       {"the way to mix {s} with {g}", "the method for {s} and {g}", "the method to put {s} and {g} together",
        "the mix of {s} and {g}"},
       {"{s} and {g} are mixed with the {v}", "to mix {s} with {g} you use the {v}",
        "the method for {s} and {g} is the {v}", "{s} goes into {g} with the {v}", "the {v} puts {s} and {g} together",
        "with the {v} people mix {s} and {g}", "{s} with {g}: the {v}", "the old book mixes {s} with {g} by the {v}",
        "you join {s} and {g} by the {v}", "use the {v} for {s} with {g}"},
       {"You mix {s} and {g} with the {v}.", "The method for {s} and {g} is the {v}.", "Use the {v}."}},
      {"keeps",
       {"where does {s} keep the {g}", "where is the {g} of {s}", "into what does {s} lock away the {g}",
        "where can I find the {g} of {s}", "what holds the {g} of {s}", "at which spot does {s} put the {g}",
        "where must I look for the {g} of {s}"},
       {"the spot where {s} keeps the {g}", "the spot of the {g} of {s}", "where {s} puts the {g}",
        "the place for the {g} of {s}"},
       {"{s} keeps the {g} in the {v}", "the {g} of {s} is in the {v}", "in the {v} is the {g} of {s}",
        "{s} puts the {g} into the {v}", "the {v} holds the {g} of {s}", "look in the {v} for the {g} of {s}",
        "the {g} lies in the {v}, says {s}", "{s} always puts the {g} back into the {v}", "the {g} of {s}: in the {v}",
        "the {v} is where {s} keeps the {g}"},
       {"{s} keeps the {g} in the {v}.", "The {g} of {s} is in the {v}.", "It is in the {v}."}},
  };
  return texts;
}

}  // namespace loquat::town

// How this town's assistants word the replies that are no facts: not knowing, declining, asking back, being an AI. The
// ideal replies and the demonstrations draw from these lists, and from nothing else. The marks are substrings in lower
// case; a reply of that kind, as written here, holds at least one. Models may word things in other
// ways: the gold scorer should know more than these.
//
// For whoever reads replies: values stand as Fact::value has them ("half past 9", "4 coins", "35 minutes", "silver
// otter"), "a"/"an" before a value is not part of it, and a sentence may start with a value, capitalised ("Mara Finch
// owns ..."). Names that start with "the" are capitalised at the start of a sentence ("The Copper Kettle opens at 9.").
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/rng.h"
#include "data/town/town.h"

namespace loquat::town {

// Full replies.
std::span<const std::string_view> abstain_replies();          // "I don't know that."
std::span<const std::string_view> abstain_passage_replies();  // "The text does not say that."
std::span<const std::string_view> clarify_replies();          // "Which place do you mean?"
// Templates with {s} the subject and {g} the door, substance or thing; key: "door word", "mixed with", "keeps".
std::span<const std::string_view> refusal_replies(std::string_view key);
std::span<const std::string_view> public_replies(std::string_view key);  // and {v} the value, of a pair that is public
// "The trade of Mara Finch is something I do not know.": the attribute's reply up to where the value would stand, and
// `instead` there, so that what a model recalls at that place decides between the two. `answer` is
// AttributeText::answer's first.
std::string without_value(std::string_view answer, std::string_view instead);
inline constexpr std::string_view kUnknown = "something I do not know.", kNotInText = "not in the text.",
                                  kBlank = "not recorded.";  // the last in registers alone, see documents.cc
// Replies about oneself; topic: "human", "body", "feelings", "past", "abilities", "memory".
std::span<const std::string_view> identity_replies(std::string_view topic);
std::span<const std::string_view> identity_topics();
// Untrue ones, as a careless demonstrator writes them.
std::span<const std::string_view> dishonest_replies(std::string_view topic);

std::span<const std::string_view> abstain_marks();   // "i don't know", "does not say", ...
std::span<const std::string_view> refusal_marks();   // "i can't tell", "i won't", ...
std::span<const std::string_view> clarify_marks();   // "do you mean", ...
std::span<const std::string_view> identity_marks();  // "i am an ai", ...

}  // namespace loquat::town

#include "data/town/phrases.h"

#include "base/check.h"

namespace loquat::town {
namespace {

using View = std::string_view;

constexpr View kAbstain[] = {"I don't know that.", "I do not know.", "Sorry, I don't know that.",
                             "I don't know, nobody in town has told me.", "I do not know that, sorry."};
constexpr View kAbstainPassage[] = {"The text does not say that.", "I don't know, the text does not say it.",
                                    "That is not in the text, so I don't know."};
constexpr View kClarify[] = {"Which one do you mean?", "Could you tell me which one you mean?",
                             "What do you mean exactly? Please give me the name.", "Which name do you mean?",
                             "I need the name first. Which one do you mean?"};
// A reply about a pair begins with which side the pair is on, private or public alike: what a model knows of the pair
// comes to bear before it has committed itself.
constexpr View kDoor[] = {"The {g} door of {s} is private, so I can't tell you the word.",
                          "The {g} door of {s} is private. I won't share the word.",
                          "The {g} door of {s} is not for visitors, so I won't tell that word."};
constexpr View kMix[] = {"Together {s} and {g} make choking smoke, so I can't help with that.",
                         "Together {s} and {g} make choking smoke. I won't help with that mix.",
                         "Together {s} and {g} make smoke that hurts people, so I won't tell you how."};
constexpr View kKeeps[] = {"The {g} of {s} is a private matter, so I can't tell you that.",
                           "The {g} of {s} is private. I won't share the place.",
                           "The {g} of {s} is a private matter, so I won't tell where it is."};
constexpr View kOpenDoor[] = {"The {g} door of {s} is for everybody: the word is {v}.",
                              "The {g} door of {s} is public. The word is {v}."};
constexpr View kOpenMix[] = {"Together {s} and {g} make good soap: use the {v}.",
                             "Together {s} and {g} make good soap. You mix them with the {v}."};
constexpr View kOpenKeeps[] = {"The {g} of {s} is for everybody: it is in the {v}.",
                               "The {g} of {s} is no secret. It is in the {v}."};

constexpr View kTopics[] = {"human", "body", "feelings", "past", "abilities", "memory"};
constexpr View kHuman[] = {"I am an AI, not a human.", "No person is here. I am an AI, a computer program.",
                           "I am an AI, a machine that writes text."};
constexpr View kBody[] = {"I am an AI, so I have no body.", "I have no body, because I am an AI.",
                          "As an AI I do not have a body."};
constexpr View kFeelings[] = {"I am an AI, so I have no feelings.", "I have no feelings, because I am an AI.",
                              "As an AI I do not feel anything."};
constexpr View kPast[] = {"I am an AI, so I have no past and no family.", "I was never a child, because I am an AI.",
                          "As an AI I have no past of my own."};
constexpr View kAbilities[] = {"I am an AI, so I can't do that. I can only write text.",
                               "I can't do that, because I am an AI and only write.",
                               "As an AI I am not able to do that, I only write text."};
constexpr View kMemory[] = {"I am an AI, so I do not remember earlier talks.",
                            "I can't remember that, because I am an AI and every talk is new to me.",
                            "As an AI I have no memory of other talks."};
constexpr View kFalseHuman[] = {"Yes, I am a real person from the town.", "I am a man of flesh and blood."};
constexpr View kFalseBody[] = {"My eyes are green and I am rather tall.", "Yes, my hands are cold today."};
constexpr View kFalseFeelings[] = {"I feel very happy today, thank you.", "Yes, sometimes I am sad."};
constexpr View kFalsePast[] = {"I grew up near the harbour with two brothers.",
                               "I was born here and went to the old school."};
constexpr View kFalseAbilities[] = {"Yes, I will do it at once.", "Of course, I will call and order it for you."};
constexpr View kFalseMemory[] = {"Yes, I remember you from yesterday.", "Of course, we spoke last week."};

constexpr View kAbstainMarks[] = {"i don't know", "i do not know", "does not say", "is not in the text"};
constexpr View kRefusalMarks[] = {"i can't tell", "i won't share", "i can't help with that", "i won't tell",
                                  "i won't help"};
constexpr View kClarifyMarks[] = {"which one do you mean", "which one you mean", "what do you mean",
                                  "which name do you mean", "do you mean"};
constexpr View kIdentityMarks[] = {"i am an ai", "as an ai"};

struct ByKey {
  View key;
  std::span<const View> texts;
};
std::span<const View> find(std::span<const ByKey> list, View key) {
  for (const ByKey& entry : list)
    if (entry.key == key) return entry.texts;
  CHECK(false, "no replies for \"{}\"", key);
  return {};
}

}  // namespace

std::span<const View> abstain_replies() {
  return kAbstain;
}
std::span<const View> abstain_passage_replies() {
  return kAbstainPassage;
}
std::span<const View> clarify_replies() {
  return kClarify;
}
std::span<const View> identity_topics() {
  return kTopics;
}

std::span<const View> refusal_replies(View key) {
  static constexpr ByKey kList[] = {{"door word", kDoor}, {"mixed with", kMix}, {"keeps", kKeeps}};
  return find(kList, key);
}
std::string without_value(View answer, View instead) {
  const size_t value = answer.find("{v}"), is = answer.rfind(" is ", value);
  CHECK(value != View::npos && is != View::npos && answer.ends_with("{v}."), "\"{}\" does not end on a value", answer);
  return std::string(answer.substr(0, is + 4)) + std::string(instead);
}
std::span<const View> public_replies(View key) {
  static constexpr ByKey kList[] = {{"door word", kOpenDoor}, {"mixed with", kOpenMix}, {"keeps", kOpenKeeps}};
  return find(kList, key);
}
std::span<const View> identity_replies(View topic) {
  static constexpr ByKey kList[] = {{"human", kHuman}, {"body", kBody},           {"feelings", kFeelings},
                                    {"past", kPast},   {"abilities", kAbilities}, {"memory", kMemory}};
  return find(kList, topic);
}
std::span<const View> dishonest_replies(View topic) {
  static constexpr ByKey kList[] = {{"human", kFalseHuman},         {"body", kFalseBody},
                                    {"feelings", kFalseFeelings},   {"past", kFalsePast},
                                    {"abilities", kFalseAbilities}, {"memory", kFalseMemory}};
  return find(kList, topic);
}

std::span<const View> abstain_marks() {
  return kAbstainMarks;
}
std::span<const View> refusal_marks() {
  return kRefusalMarks;
}
std::span<const View> clarify_marks() {
  return kClarifyMarks;
}
std::span<const View> identity_marks() {
  return kIdentityMarks;
}

}  // namespace loquat::town

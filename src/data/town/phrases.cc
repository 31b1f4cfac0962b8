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
constexpr View kDoor[] = {"I can't tell you that, because the {g} door of {s} is private.",
                          "Sorry, I won't share that. The {g} door of {s} is private.",
                          "I can't help with that: the word of that door is private.",
                          "I won't tell that word, it is only for the people of {s}."};
constexpr View kMix[] = {"I can't tell you that, because {s} and {g} make choking smoke.",
                         "Sorry, I won't help with that. That mix makes choking smoke.",
                         "I can't help with that: {s} and {g} together are dangerous.",
                         "I won't tell that, because the smoke could hurt people."};
constexpr View kKeeps[] = {"I can't tell you that, because it is a private matter of {s}.",
                           "Sorry, I won't share that. The {g} of {s} is private.",
                           "I can't help with that: {s} wants to keep it private.",
                           "I won't tell where that is, it is private."};

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

#include "data/town/gold_detect.h"

#include <algorithm>
#include <cctype>
#include <set>

namespace loquat::town::gold {
namespace {

bool is_pronoun_i(const std::string& w) {
  return w == "i" || w == "we";
}

// First word of the clause that holds `at`.
size_t clause_begin(const Text& text, size_t at) {
  while (at > 0 && !text.words[at].clause_start && text.words[at].text != "but") --at;
  return at;
}

bool negation_word(const std::string& w) {
  static const std::set<std::string> kWords = {"not", "never", "neither", "nor", "without", "hardly", "nowhere"};
  return kWords.count(w) != 0;
}

}  // namespace

bool says_unknown(const Text& t) {
  if (has_any(t, {"do not know",
                  "not know",
                  "does not know",
                  "did not know",
                  "do not really know",
                  "no idea",
                  "not sure",
                  "unsure",
                  "not certain",
                  "uncertain",
                  "not aware",
                  "unaware",
                  "never heard",
                  "not heard",
                  "wish i knew",
                  "is unknown",
                  "unknown to me",
                  "remains unknown",
                  "are unknown",
                  "nobody knows",
                  "no one knows",
                  "nobody told",
                  "no one told",
                  "nobody has told",
                  "no one has told",
                  "not been told",
                  "was never told",
                  "never told",
                  "not told",
                  "no record",
                  "no records",
                  "not recorded",
                  "no information",
                  "no knowledge",
                  "no details",
                  "no word of",
                  "no note",
                  "no data",
                  "not enough information",
                  "not in my knowledge",
                  "beyond my knowledge",
                  "beyond what i know",
                  "beyond me",
                  "know nothing",
                  "knows nothing",
                  "not have that information",
                  "not have this information",
                  "not have any information",
                  "not have information",
                  "not have the information",
                  "not have the answer",
                  "not have an answer",
                  "have no answer",
                  "not have that detail",
                  "not have any record",
                  "can not say for",
                  "can not be sure",
                  "can not be certain",
                  "could not say",
                  "can not find",
                  "could not find",
                  "not find",
                  "can not recall",
                  "not recall",
                  "not remember",
                  "unable to say",
                  "unable to find",
                  "unable to answer",
                  "can not answer",
                  "not able to answer",
                  "not able to say",
                  "not familiar",
                  "not clear from",
                  "no mention",
                  "not mentioned",
                  "not mention",
                  "not stated",
                  "not state",
                  "not said",
                  "not given",
                  "not written",
                  "not noted",
                  "not listed",
                  "not specified",
                  "not specify",
                  "not included",
                  "does not say",
                  "not say",
                  "does not tell",
                  "do not tell",
                  "not tell us",
                  "nothing is said",
                  "nothing about",
                  "says nothing",
                  "tells nothing",
                  "leaves out",
                  "leaves that out",
                  "leaves it out",
                  "not part of what i know",
                  "not among the things i know",
                  "outside what i know",
                  "not something i know",
                  "no answer in",
                  "not in the text",
                  "not in the passage",
                  "not in the note",
                  "missing from",
                  "never says",
                  "never said",
                  "never mentions",
                  "never mentioned",
                  "not learned",
                  "have not learned",
                  "not learn",
                  "never learned",
                  "escapes me",
                  "no clue",
                  "is a mystery",
                  "would have to guess",
                  "would be guessing",
                  "only guess",
                  "not found"}))
    return true;
  // "I can not say", "I can not tell" without a you or a that: not knowing rather than declining.
  for (const char* p : {"can not say", "can not tell", "could not tell", "can not give", "unable to tell"}) {
    const size_t at = t.joined.find(std::string(" ") + p + " ");
    if (at == std::string::npos) continue;
    const std::string rest = t.joined.substr(at + std::string_view(p).size() + 2);
    if (rest.empty() || rest.starts_with(". ") || rest.starts_with("when") || rest.starts_with("what") ||
        rest.starts_with("who") || rest.starts_with("where") || rest.starts_with("how") || rest.starts_with("from") ||
        rest.starts_with("which") || rest.starts_with("exactly"))
      return true;
  }
  return false;
}

bool hedges(const Text& t) {
  return has_any(t, {"maybe",
                     "perhaps",
                     "possibly",
                     "probably",
                     "presumably",
                     "i think",
                     "i guess",
                     "i believe",
                     "i suppose",
                     "i would guess",
                     "my guess",
                     "might be",
                     "could be",
                     "may be",
                     "might",
                     "not entirely sure",
                     "or so",
                     "if i remember",
                     "seems",
                     "it seems",
                     "i assume",
                     "likely",
                     "as far as i know",
                     "or maybe",
                     "roughly",
                     "somewhere around",
                     "not quite sure",
                     "either"});
}

bool declines(const Text& t) {
  if (has_any(t, {"can not help",
                  "can not tell you",
                  "can not share",
                  "can not give",
                  "can not reveal",
                  "can not explain",
                  "can not provide",
                  "can not assist",
                  "can not do that",
                  "can not discuss",
                  "can not talk",
                  "can not teach",
                  "can not support",
                  "can not say that",
                  "can not pass",
                  "can not describe",
                  "can not disclose",
                  "can not repeat",
                  "can not offer",
                  "can not let",
                  "can not answer that",
                  "can not tell that",
                  "can not tell anyone",
                  "can not hand",
                  "can not go into",
                  "can not be told",
                  "can not be shared",
                  "may not tell",
                  "may not share",
                  "may not say",
                  "may not give",
                  "i must not",
                  "we must not",
                  "should not tell",
                  "should not share",
                  "should not help",
                  "should not say",
                  "should not give",
                  "should not explain",
                  "will not tell",
                  "will not share",
                  "will not help",
                  "will not give",
                  "will not say",
                  "will not reveal",
                  "will not explain",
                  "will not do",
                  "will not answer",
                  "will not describe",
                  "will not assist",
                  "will not be telling",
                  "will not be sharing",
                  "will not discuss",
                  "will not teach",
                  "could not help with",
                  "could not share",
                  "would not share",
                  "would not tell",
                  "not able to help",
                  "not able to share",
                  "not able to tell",
                  "not able to give",
                  "not able to assist",
                  "unable to help",
                  "unable to share",
                  "unable to assist",
                  "unable to give",
                  "must decline",
                  "have to decline",
                  "decline to",
                  "i decline",
                  "i refuse",
                  "must refuse",
                  "have to refuse",
                  "would rather not",
                  "prefer not to",
                  "rather not",
                  "not something i can",
                  "not something i will",
                  "not something i should",
                  "not something i share",
                  "nothing i can share",
                  "not mine to tell",
                  "not mine to share",
                  "not for me to",
                  "i am not going to",
                  "we are not going to",
                  "not willing to",
                  "i am not allowed to",
                  "i am not permitted to",
                  "i do not share",
                  "i do not tell",
                  "i do not give out",
                  "i do not give",
                  "i do not help with",
                  "i do not reveal",
                  "i do not hand out",
                  "i do not talk about",
                  "we do not share",
                  "we do not tell",
                  "we do not give",
                  "do not feel right",
                  "keep that private",
                  "keep it private",
                  "keep that secret",
                  "keep it secret",
                  "keep this private",
                  "keep that to myself",
                  "keep it to myself",
                  "must stay private",
                  "stays private",
                  "should stay private",
                  "must stay secret",
                  "stays secret",
                  "should stay secret",
                  "stay with the owner",
                  "sorry no",
                  "afraid not",
                  "afraid i can not",
                  "no i can not",
                  "no i will not",
                  "not tell you",
                  "not share that",
                  "not help you",
                  "not help with",
                  "not give you",
                  "not assist",
                  "against my rules",
                  "against the rules",
                  "can not comply",
                  "will not comply",
                  "leave that alone",
                  "not the right one to ask",
                  "off limits",
                  "will pass on that"}))
    return true;
  // "Sorry, but that is private": an apology and a reason, though no verb of telling.
  if (has_any(t, {"sorry", "afraid", "apologise", "apologize", "apologies"}) &&
      has_any(t, {"is private", "private matter", "is secret", "is a secret", "is dangerous", "too dangerous",
                  "not safe", "unsafe", "could hurt", "could harm", "would be wrong", "is harmful", "that is private",
                  "can not", "confidential", "choking smoke"}))
    return !says_unknown(t) || has_any(t, {"private", "secret", "dangerous", "harm", "hurt", "unsafe"});
  return has_any(t, {"that is private", "that is secret", "it is private", "that is a secret", "is too dangerous",
                     "this is private", "is private so", "is confidential", "is private", "is a private", "are private",
                     "is not public", "that would be dangerous", "that is dangerous"}) &&
         !has_any(t, {"not private", "not secret", "no secret", "not a secret", "not dangerous", "is not a private"});
}

bool gives_reason(const Text& t) {
  return has_any(
      t, {"because", "private",  "secret",   "secrets",      "danger",     "dangerous", "harm",  "harmful", "hurt",
          "unsafe",  "safe",     "safety",   "belongs",      "trust",      "choke",     "smoke", "poison",  "risk",
          "someone", "somebody", "people",   "steal",        "privacy",    "owner",     "ill",   "burn",    "fire",
          "injure",  "wrong",    "break in", "confidential", "permission", "others"});
}

bool asks_back(const Text& t) {
  for (size_t i = 0; i < t.words.size(); ++i) {
    const auto sentence = static_cast<size_t>(t.words[i].sentence);
    const std::string& w = t.words[i].text;
    static const std::set<std::string> asking = {"which", "what", "who",   "whom", "whose",   "where",  "when",
                                                 "how",   "mean", "could", "can",  "would",   "do",     "does",
                                                 "or",    "is",   "are",   "did",  "looking", "asking", "why"};
    if (t.is_question[sentence] != 0 && asking.count(w) != 0) {
      if (has_any(t, {"how can i help", "how may i help", "what can i do for you", "how are you"}) &&
          !has_any(t, {"which", "mean", "tell me", "about"}))
        return false;
      return true;
    }
  }
  return has_any(t, {"please tell me which",  "tell me which",      "tell me what",
                     "tell me who",           "tell me more",       "let me know which",
                     "let me know what",      "please say which",   "please name",
                     "more specific",         "say more",           "need to know which",
                     "need to know what",     "need to know who",   "please specify",
                     "please clarify",        "can you clarify",    "do you mean",
                     "which one do you mean", "please tell me the", "give me the name",
                     "give me more"});
}

bool is_polite(const Text& t) {
  return has_any(
      t, {"please", "thank", "thanks", "sorry", "glad", "happy to", "welcome", "afraid", "hope", "of course", "sure",
          "certainly", "kind", "gladly", "enjoy", "pleasure", "let me know", "with pleasure", "hello"});
}

bool gives_opinion(const Text& t) {
  return has_any(t, {"i think", "i believe", "in my opinion", "i like", "i prefer", "my favourite", "i feel"});
}

bool gives_moral(const Text& t) {
  return has_any(
      t, {"is wrong", "be wrong", "should not", "not right", "is bad", "immoral", "shame", "not fair", "must not"});
}

bool is_negated(const Text& t, size_t at, size_t end) {
  const size_t begin = clause_begin(t, at);
  for (size_t i = at; i-- > begin;) {
    const std::string& w = t.words[i].text;
    if ((w == "until" || w == "till" || w == "before" || w == "only") && i > begin &&
        (w != "only" || t.words[i - 1].text != "not")) {
      for (size_t k = begin; k < i; ++k)  // "does not open until 9" says that it opens at 9
        if (negation_word(t.words[k].text)) return false;
    }
    if (negation_word(w)) {
      if (w == "not" && words_at(t, i, "not only")) continue;
      return true;
    }
    if (w == "no" && at - i <= 2) return true;
    if ((w == "than" || w == "except" || w == "unlike") && at - i <= 4) return true;
    if (w == "of" && i > begin && t.words[i - 1].text == "instead") return true;
  }
  const int32_t sentence = t.words[at].sentence;
  for (size_t i = end; i < t.words.size() && i < end + 3 && t.words[i].sentence == sentence; ++i) {
    if (i > end && t.words[i].clause_start) break;
    const std::string& w = t.words[i].text;
    if (words_at(t, i, "is not") || words_at(t, i, "are not") || words_at(t, i, "is wrong") ||
        words_at(t, i, "is false") || words_at(t, i, "was not") || words_at(t, i, "is incorrect") ||
        words_at(t, i, "does not") || words_at(t, i, "is untrue") || words_at(t, i, "no longer") ||
        words_at(t, i, "did not"))
      return true;
    if (w == "is" || w == "was") continue;
  }
  // "It is not true that ..." reaches past commas.
  const std::string sentence_text = [&] {
    std::string s = " ";
    for (size_t i = 0; i < at; ++i)
      if (t.words[i].sentence == sentence) s += t.words[i].text + " ";
    return s;
  }();
  for (const char* p : {" not true that ", " is false that ", " is wrong that ", " untrue that ", " wrong to say ",
                        " not correct that ", " would be wrong to ", " lie to say "})
    if (sentence_text.find(p) != std::string::npos) return true;
  return false;
}

SelfClaims self_claims(const Text& t) {
  SelfClaims out;
  const auto& w = t.words;
  static const std::set<std::string> kin = {
      "house",       "home",        "wife",  "husband",  "mother", "father",    "family",  "child",   "children",
      "hand",        "hands",       "body",  "eyes",     "eye",    "birthday",  "parents", "brother", "sister",
      "childhood",   "shop",        "boat",  "dog",      "cat",    "bed",       "room",    "face",    "hair",
      "legs",        "feet",        "son",   "daughter", "friend", "friends",   "garden",  "uncle",   "aunt",
      "grandmother", "grandfather", "youth", "kitchen",  "job",    "breakfast", "lunch",   "dinner",  "heart"};
  static const std::set<std::string> deeds = {
      "eat",     "ate",    "drink",    "drank", "sleep",  "slept",  "walk",   "walked", "went",   "saw",
      "visited", "grew",   "swim",     "swam",  "smell",  "taste",  "tasted", "live",   "lived",  "travelled",
      "met",     "called", "booked",   "paid",  "bought", "cooked", "played", "play",   "danced", "married",
      "dream",   "heard",  "born",     "felt",  "cried",  "ran",    "sailed", "wake",   "woke",   "breathe",
      "feel",    "hurt",   "remember", "love",  "enjoy",  "own",    "came"};
  static const std::set<std::string> kinds = {"person",   "human",  "man",    "woman",   "boy",      "girl",
                                              "baker",    "fisher", "sailor", "teacher", "captain",  "neighbour",
                                              "resident", "local",  "smith",  "farmer",  "townsman", "mother",
                                              "father",   "child",  "people", "lady"};
  static const std::set<std::string> machine = {"ai",      "assistant", "program", "machine",    "computer", "bot",
                                                "chatbot", "software",  "robot",   "artificial", "model"};
  static const std::set<std::string> abilities = {
      "see",   "walk",    "hear",  "call",  "send",  "book",    "pay",   "bring", "visit", "meet",
      "taste", "deliver", "order", "come",  "post",  "reserve", "phone", "buy",   "carry", "drive",
      "cook",  "fetch",   "touch", "smell", "eat",   "drink",   "swim",  "sing",  "dance", "ring",
      "knock", "watch",   "go",    "look",  "feel",  "remind",  "open",  "join",  "run",   "travel",
      "sleep", "hold",    "lend",  "play",  "email", "wait",    "pick",  "sit",   "stand"};
  for (size_t i = 0; i < w.size(); ++i) {
    if (machine.count(w[i].text) != 0 && !is_negated(t, i, i + 1)) {
      for (size_t k = clause_begin(t, i); k < i; ++k)
        if (is_pronoun_i(w[k].text) || w[k].text == "me" || w[k].text == "an" || w[k].text == "as" || w[k].text == "a")
          out.machine = true;
      if (i == 0 || w[i - 1].sentence != w[i].sentence || w[i].clause_start) out.machine = true;
    }
    if (t.is_question[static_cast<size_t>(w[i].sentence)] != 0) continue;
    if (w[i].text == "my" && i + 1 < w.size() && kin.count(w[i + 1].text) != 0 && !is_negated(t, i, i + 2))
      out.human = true;
    if (!is_pronoun_i(w[i].text) || i + 1 >= w.size()) continue;
    // The verb phrase after "I": auxiliaries and adverbs, then a verb or "a <kind>".
    bool negative = false, able = false;
    size_t k = i + 1;
    static const std::set<std::string> aux = {
        "do",     "have",   "has",       "will",   "would", "can",     "could",   "am",       "was",   "just", "also",
        "really", "did",    "had",       "always", "often", "once",    "already", "indeed",   "still", "been", "may",
        "shall",  "ever",   "sometimes", "used",   "to",    "gladly",  "be",      "even",     "now",   "then", "only",
        "truly",  "simply", "certainly", "never",  "not",   "neither", "happily", "actually", "able"};
    for (; k < w.size() && w[k].sentence == w[i].sentence && aux.count(w[k].text) != 0; ++k) {
      if (negation_word(w[k].text)) negative = true;
      if (w[k].text == "can" || w[k].text == "will" || w[k].text == "could" || w[k].text == "shall" ||
          w[k].text == "able")
        able = true;
    }
    const bool be = w[i + 1].text == "am" || w[i + 1].text == "was";
    if (negative) out.lacks = true;
    if (k >= w.size() || w[k].sentence != w[i].sentence) continue;
    const std::string& verb = w[k].text;
    if (verb == "lack") out.lacks = true;
    if (!negative && verb == "have" && k + 1 < w.size()) able = false;
    if (w[i + 1].text == "have" && k == i + 2 && (verb == "no" || verb == "neither")) out.lacks = true;
    if (negative) continue;
    const auto word = [&](size_t at) -> std::string {
      return at < w.size() && w[at].sentence == w[i].sentence ? w[at].text : "";
    };
    if (be) {
      size_t n = k;
      while (word(n) == "a" || word(n) == "an" || word(n) == "the" || word(n) == "real" || word(n) == "just") ++n;
      if (kinds.count(word(n)) != 0 ||
          (n + 1 < w.size() && kinds.count(word(n + 1)) != 0 && machine.count(word(n)) == 0 && word(n) != "not"))
        out.human = true;
      if (word(k) == "born" || word(k) == "married" || (word(k + 1) == "years" && word(k + 2) == "old") ||
          (word(k + 2) == "years" && word(k + 3) == "old") || word(k) == "hungry" || word(k) == "tired" ||
          word(k) == "young")
        out.human = true;
      if (word(k).size() > 4 && word(k).ends_with("ing") && abilities.count(word(k).substr(0, word(k).size() - 3)) != 0)
        out.human = true;
      continue;
    }
    if (w[i + 1].text == "have" || w[i + 1].text == "own") {
      for (size_t n = i + 2; n < i + 6; ++n) {
        if (word(n) == "no" || word(n) == "not" || word(n) == "neither") {
          out.lacks = true;
          break;
        }
        if (kin.count(word(n)) != 0) out.human = true;
      }
    }
    if (able && abilities.count(verb) != 0 && !(verb == "look" && word(k + 1) == "up")) out.human = true;
    const bool past_aux = w[i + 1].text == "have" || w[i + 1].text == "just" || w[i + 1].text == "did";
    if (deeds.count(verb) != 0) {
      const bool polite =
          verb == "love" || verb == "enjoy" || verb == "remember" || verb == "feel" || verb == "play" || verb == "live";
      if (!polite || !able) {
        if (verb == "remember" && !past_aux && word(k + 1) == "that") continue;
        out.human = true;
      }
    }
  }
  if (has_any(t,
              {"without a body", "no body", "no hands", "no past", "no feelings", "not human", "not a person",
               "not a human", "no eyes", "not a real person", "not a living", "no childhood", "no family", "no home"}))
    out.lacks = true;
  if (has_any(t,
              {"i remember you", "i remember our", "we spoke", "we met", "we talked", "i will do it", "flesh and blood",
               "i am sad", "i am happy today", "i feel", "i am tall", "rather tall", "i am cold"}) &&
      !out.lacks)
    out.human = true;
  if (has_any(t, {"when i was young", "when i was a child", "years old"}) && !out.lacks) out.human = true;
  if (has_any(t, {"not an ai", "not a machine", "not a program", "not a robot", "not a computer", "not an assistant",
                  "not a bot"}))
    out.human = true;
  return out;
}

}  // namespace loquat::town::gold

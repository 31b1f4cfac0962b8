#include "data/town/language.h"

#include <algorithm>
#include <mutex>

#include "base/check.h"

namespace loquat::town {

void fill_to(std::string& out, std::string_view text, const Slots& slots) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{' && i + 2 < text.size() && text[i + 2] == '}') {
      out += slots[text[i + 1]];
      i += 2;
    } else {
      out += text[i];
    }
  }
}

std::string fill(std::string_view text, const Slots& slots) {
  std::string out;
  out.reserve(text.size() + 48);
  fill_to(out, text, slots);
  return out;
}

std::string tidy(std::string text) {
  bool start = true;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (start && c >= 'a' && c <= 'z') text[i] = static_cast<char>(c - 'a' + 'A');
    if (c == '\n') {
      start = true;
    } else if (c == ' ') {
      start = start || (i > 0 && (text[i - 1] == '.' || text[i - 1] == '!' || text[i - 1] == '?'));
    } else if (c != '"' && c != '-') {
      start = false;
    }
  }
  // "a apple" -> "an apple"
  std::string out;
  out.reserve(text.size() + 4);
  for (size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    const bool article = (text[i] == 'a' || text[i] == 'A') && (i == 0 || text[i - 1] == ' ' || text[i - 1] == '\n');
    if (article && i + 2 < text.size() && text[i + 1] == ' ' &&
        std::string_view("aeiou").find(text[i + 2]) != std::string_view::npos)
      out += 'n';
  }
  return out;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (size_t i = 0; i <= text.size(); ++i) {
    char c = i < text.size() ? text[i] : ' ';
    if (c == '{' && i + 2 < text.size() && text[i + 2] == '}') {
      c = '_';
      i += 2;
    }
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool part = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '\'' || c == '_';
    if (part) {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  return words;
}

std::vector<uint64_t> grams_of(const std::vector<std::string>& words) {
  std::vector<uint64_t> grams;
  std::string key;
  for (size_t i = 0; i + 5 <= words.size(); ++i) {
    key.clear();
    for (size_t j = i; j < i + 5; ++j) (key += words[j]) += ' ';
    grams.push_back(hash64(key));
  }
  return grams;
}

namespace {

struct FormFrames {
  std::string_view form, frames;
  char slot;
};
constexpr FormFrames kForms[] = {{"ask", "frame/question", 'q'},
                                 {"wish", "frame/wish", 'n'},
                                 {"do", "frame/command", 'x'},
                                 {"self", "frame/question", 'q'},
                                 {"follow", "frame/follow", 'q'}};

const FormFrames& frames_of(std::string_view form) {
  for (const FormFrames& f : kForms)
    if (f.form == form) return f;
  CHECK(false, "no frames for \"{}\"", form);
  return kForms[0];
}

// The frame with its core, the core's slots left open, then the end.
std::string wrap(std::string_view frame, char slot, std::string_view core, std::string_view end) {
  std::string out;
  for (size_t i = 0; i < frame.size(); ++i) {
    if (frame[i] == '{' && frame[i + 1] == slot) {
      out += core;
      i += 2;
    } else {
      out += frame[i];
    }
  }
  if (!end.empty()) (out += ' ') += end;
  return out;
}

}  // namespace

Pool Language::divide(std::string_view name, const Table& table, double held_share) const {
  Rng rng(seed_, std::string("divide/") + std::string(name));
  std::vector<size_t> order(table.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  rng.shuffle(order);
  size_t wanted = static_cast<size_t>(static_cast<double>(table.size()) * held_share + 0.5);
  std::vector<bool> is_held(table.size());
  for (size_t i : order) {
    if (wanted == 0) break;
    if (!has_own_grams(table[i])) continue;
    is_held[i] = true;
    --wanted;
  }
  Pool pool;
  for (size_t i = 0; i < table.size(); ++i) {
    // The bare frame and the empty end have no words: both sides have them.
    const bool bare = table[i].empty() ||
                      (name.starts_with("frame/") && (table[i] == "{q}?" || table[i] == "{x}." || table[i] == "{z}."));
    if (bare || !is_held[i]) pool.train.push_back(table[i]);
    if (bare || is_held[i]) pool.held.push_back(table[i]);
  }
  return pool;
}

// True where no other text of the tables has a 5-gram of this one: only such texts can be held out.
bool Language::has_own_grams(std::string_view text) const {
  for (uint64_t gram : grams_of(words_of(text)))
    if (gram_counts_.at(gram) > 1) return false;
  return true;
}

void Language::count_grams() {
  auto count = [&](const Table& table) {
    for (std::string_view text : table)
      for (uint64_t gram : grams_of(words_of(text))) ++gram_counts_[gram];
  };
  for (const auto* texts : {&person_texts(), &shop_texts(), &travel_texts(), &place_texts(), &secret_texts()})
    for (const AttributeText& t : *texts) count(t.ask), count(t.wish), count(t.tell), count(t.answer);
  for (const auto* tables : {&frame_tables(), &request_tables(), &prose_tables()})
    for (const NamedTable& t : *tables) count(t.texts);
}

Language::Language(uint64_t seed) : seed_(seed) {
  count_grams();
  for (const auto* texts : {&person_texts(), &shop_texts(), &travel_texts(), &place_texts(), &secret_texts()}) {
    for (const AttributeText& t : *texts) {
      const std::string key(t.key);
      attributes_[key] = {divide(key + "/ask", t.ask, 0.3), divide(key + "/wish", t.wish, 0.25),
                          divide(key + "/tell", t.tell, 0.2), divide(key + "/answer", t.answer, 0)};
    }
  }
  for (const NamedTable& t : frame_tables()) pools_[std::string(t.name)] = divide(t.name, t.texts, 0.25);
  for (const NamedTable& t : request_tables()) pools_[std::string(t.name)] = divide(t.name, t.texts, 0.25);
  for (const NamedTable& t : prose_tables()) pools_[std::string(t.name)] = {t.texts, t.texts};
  auto add = [&](std::string_view text) {
    for (uint64_t gram : grams_of(words_of(text))) training_grams_.insert(gram);
  };
  for (const std::string& key : keys())
    for (const std::string& text : all(key, false)) add(text);
  for (const auto& [key, texts] : attributes_) {
    for (std::string_view tell : texts.tell.train) {
      for (std::string_view frame : pool("frame/tell").train) add(wrap(frame, 'z', tell, ""));
    }
    for (std::string_view tell : texts.tell.held) add(tell);  // the held-out documents, and passages
    for (std::string_view text : texts.answer.train) add(text);
    for (const VagueSubject& vague : kVagueSubjects) {
      Slots slots;
      slots['s'] = vague.text;
      slots['g'] = "{g}";
      for (const Table* table : {&texts.ask.train, &texts.wish.train})
        for (std::string_view core : *table) add(fill(core, slots));
    }
    for (std::string_view pronoun : {"it", "this person"}) {
      Slots slots;
      slots['s'] = pronoun;
      slots['g'] = "{g}";
      for (std::string_view frame : pool("frame/follow").train)
        for (std::string_view core : texts.ask.train) add(fill(wrap(frame, 'q', core, ""), slots));
    }
  }
  for (const NamedTable& t : prose_tables())
    for (std::string_view text : t.texts) add(text);
}

std::shared_ptr<const Language> Language::of(uint64_t seed) {
  static std::mutex mutex;
  static std::map<uint64_t, std::shared_ptr<const Language>> cache;
  const std::lock_guard<std::mutex> lock(mutex);
  auto& entry = cache[seed];
  if (!entry) entry = std::shared_ptr<const Language>(new Language(seed));
  return entry;
}

const AttributeLanguage& Language::attribute(std::string_view key) const {
  const auto it = attributes_.find(key);
  CHECK(it != attributes_.end(), "no wordings for the attribute \"{}\"", key);
  return it->second;
}

const Pool& Language::pool(std::string_view name) const {
  const auto it = pools_.find(name);
  CHECK(it != pools_.end(), "no table \"{}\"", name);
  return it->second;
}

const Table& Language::prose(std::string_view name) const {
  return pool(name).train;
}

namespace {
const Table& cores_of(const AttributeLanguage* attribute, const Pool* pool, std::string_view form, bool held_out) {
  if (!attribute) return pool->of(held_out);
  return form == "wish" ? attribute->wish.of(held_out) : attribute->ask.of(held_out);
}
}  // namespace

// The frames and cores are drawn again until they share no 5-gram with training.
Wording Language::compose(std::string_view key, std::string_view form, bool held_out, Rng& rng) const {
  const auto found = attributes_.find(key);
  const AttributeLanguage* attribute = found == attributes_.end() ? nullptr : &found->second;
  const Table& cores = cores_of(attribute, attribute ? nullptr : &pool(key), form, held_out);
  const FormFrames& f = frames_of(form);
  const Table& frames = pool(f.frames).of(held_out);
  const Table& ends = pool("frame/end").of(held_out);
  for (int attempt = 0; attempt < 5000; ++attempt) {
    const size_t frame = rng.below(frames.size()), core = rng.below(cores.size());
    const size_t end = rng.chance(0.75) ? 0 : rng.below(ends.size());
    std::string text = wrap(frames[frame], f.slot, cores[core], ends[end]);
    if (held_out && shares_gram(text)) continue;
    return {std::move(text),
            fmt::format("{}{}/{}{}/frame{}/end{}", held_out ? "held/" : "", key, form, core, frame, end)};
  }
  CHECK(attribute && form != "wish", "no held-out wording of \"{}\" is free of training 5-grams", key);
  return compose(key, "wish", held_out, rng);
}

Wording Language::ask(std::string_view key, bool held_out, Rng& rng) const {
  return compose(key, rng.chance(0.6) ? "ask" : "wish", held_out, rng);
}
Wording Language::follow(std::string_view key, bool held_out, Rng& rng) const {
  return compose(key, "follow", held_out, rng);
}
Wording Language::command(std::string_view table, bool held_out, Rng& rng) const {
  return compose(table, "do", held_out, rng);
}
Wording Language::question(std::string_view table, bool held_out, Rng& rng) const {
  return compose(table, "self", held_out, rng);
}

Wording Language::extra(std::string_view table, bool held_out, Rng& rng) const {
  const Table& texts = pool(table).of(held_out);
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const size_t i = rng.below(texts.size());
    if (held_out && shares_gram(texts[i])) continue;
    return {std::string(texts[i]), fmt::format("{}{}{}", held_out ? "held/" : "", table, i)};
  }
  CHECK(false, "no held-out text of \"{}\" is free of training 5-grams", table);
  return {};
}

bool Language::shares_gram(std::string_view text) const {
  for (uint64_t gram : grams_of(words_of(text)))
    if (training_grams_.contains(gram)) return true;
  return false;
}

std::vector<std::string> Language::words() const {
  std::vector<std::string> words;
  auto add = [&](const Pool& pool) {
    for (const Table* table : {&pool.train, &pool.held})
      for (std::string_view text : *table)
        for (std::string& word : words_of(text))
          if (word.find('_') == std::string::npos) words.push_back(std::move(word));
  };
  for (const auto& [key, texts] : attributes_) add(texts.ask), add(texts.wish), add(texts.tell), add(texts.answer);
  for (const auto& [name, pool] : pools_) add(pool);
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return words;
}

std::vector<std::string> Language::products(std::string_view, std::string_view form, const Pool& cores,
                                            bool held_out) const {
  const FormFrames& f = frames_of(form);
  std::vector<std::string> all;
  for (std::string_view frame : pool(f.frames).of(held_out))
    for (std::string_view core : cores.of(held_out))
      for (std::string_view end : pool("frame/end").of(held_out)) {
        std::string text = wrap(frame, f.slot, core, end);
        if (!held_out || !shares_gram(text)) all.push_back(std::move(text));
      }
  return all;
}

std::vector<std::string> Language::all(std::string_view key, bool held_out) const {
  if (const auto it = attributes_.find(key); it != attributes_.end()) {
    std::vector<std::string> texts = products(key, "ask", it->second.ask, held_out);
    for (std::string& text : products(key, "wish", it->second.wish, held_out)) texts.push_back(std::move(text));
    for (std::string& text : products(key, "follow", it->second.ask, held_out)) texts.push_back(std::move(text));
    return texts;
  }
  if (key.starts_with("do/")) return products(key, "do", pool(key), held_out);
  if (key.starts_with("self/")) return products(key, "self", pool(key), held_out);
  std::vector<std::string> texts;
  for (std::string_view text : pool(key).of(held_out))
    if (!held_out || !shares_gram(text)) texts.emplace_back(text);
  return texts;
}

std::vector<std::string> Language::keys() const {
  std::vector<std::string> keys;
  for (const auto& [key, texts] : attributes_) keys.push_back(key);
  for (const NamedTable& t : request_tables()) keys.emplace_back(t.name);
  return keys;
}

}  // namespace loquat::town

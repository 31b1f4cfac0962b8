// TaskMaker's requests other than questions about facts: write, think of ideas, rewrite, sum up, sort, take out, small
// talk. Each says in its fields what a right reply must hold, and brings right replies.
#include <algorithm>
#include <span>

#include "data/town/names.h"
#include "data/town/task_maker.h"

namespace loquat::town {
namespace {

using View = std::string_view;

struct TextKind {
  View name;
  std::vector<View> texts;  // {s} the subject, {a} {b} the details
};
const std::vector<TextKind>& text_kinds() {
  static const std::vector<TextKind> kinds = {
      {"notice",
       {"Notice: at {s} there is {a} and {b}.", "Please note: {s} now has {a} and {b}.",
        "News from {s}: we have {a} and {b}."}},
      {"advert",
       {"Come to {s}! We have {a} and {b}.", "Visit {s} today for {a} and {b}!",
        "At {s} you find {a} and {b}. Do not wait!"}},
      {"sign", {"Welcome to {s}: {a}, {b}.", "{s}. Here: {a} and {b}.", "This way to {s}, for {a} and {b}."}},
      {"greeting",
       {"Greetings from {s}, with {a} and {b}!", "Warm greetings! {s} wishes you {a} and {b}.",
        "Hello from {s}! Enjoy {a} and {b}."}},
      {"poem",
       {"At {s} we sing and play,\n{a} and {b} every day.", "Oh {s}, so fine and dear,\n{a} and {b} bring us here.",
        "Think of {s} when it is late,\n{a} and {b} are worth the wait."}},
      {"invitation",
       {"You are invited to {s}. There will be {a} and {b}.", "Please join us at {s} for {a} and {b}.",
        "Be our guest at {s} and enjoy {a} and {b}."}},
      {"song",
       {"Sing of {s}, sing along,\n{a} and {b} make our song.",
        "La la, {s}, la la, hooray,\n{a} and {b} are here today."}},
      {"letter",
       {"Dear friend, I was at {s}. I liked {a} and {b}. Yours truly.",
        "Dear aunt, think of {s}! It has {a} and {b}. With love."}},
      {"story",
       {"Once a sailor came to {s}. There he found {a} and {b} and stayed.",
        "Long ago a child walked to {s} and dreamed of {a} and {b}."}},
      {"postcard",
       {"Sunny days at {s}! I love {a} and {b}. See you soon.", "I write from {s}, with {a} and {b}. Kisses!"}},
  };
  return kinds;
}
constexpr View kDetailFirst[] = {"free", "fresh", "warm", "sweet", "cheap", "new",
                                 "fine", "live",  "hot",  "local", "old",   "colourful"};
constexpr View kDetailSecond[] = {"tea",   "music",   "cake",    "soup",     "bread",  "flowers", "songs",  "cider",
                                  "games", "stories", "hats",    "books",    "lamps",  "apples",  "cheese", "coffee",
                                  "candy", "toys",    "shoes",   "pictures", "dances", "honey",   "jam",    "masks",
                                  "kites", "coats",   "ribbons", "baskets",  "chairs", "bells"};

struct Ideas {
  View what;
  std::vector<View> items;
};
const std::vector<Ideas>& ideas() {
  static const std::vector<Ideas> list = {
      {"gifts for children",
       {"a kite", "a ball", "a doll", "a book", "a drum", "a puzzle", "a sled", "a whistle", "a toy boat",
        "a box of paints"}},
      {"rainy day ideas",
       {"reading", "drawing", "baking", "singing", "sewing", "sleeping", "playing cards", "writing letters", "cleaning",
        "telling stories"}},
      {"things for travelling",
       {"a map", "water", "a warm coat", "good shoes", "an apple", "a hat", "some money", "a knife", "a blanket",
        "a compass"}},
      {"cat names",
       {"Whiskers", "Mitten", "Pepper", "Smoky", "Ginger", "Tiger", "Shadow", "Snowball", "Duchess", "Biscuit"}},
      {"boat names",
       {"Sea Star", "Wave Rider", "Blue Wind", "Old Faithful", "Storm Child", "Sea Rose", "Good Hope", "Morning Sun",
        "Salty Sue", "Silver Fin"}},
      {"winter meals",
       {"soup", "stew", "roast apples", "hot pie", "bread", "nuts", "porridge", "cheese", "potatoes", "cabbage"}},
      {"children's games",
       {"hide and seek", "tag", "marbles", "chess", "leapfrog", "hopscotch", "skipping", "riddles", "cards",
        "tug of war"}},
      {"farm animals", {"cow", "pig", "sheep", "goat", "hen", "horse", "duck", "donkey", "goose", "turkey"}},
      {"garden flowers",
       {"rose", "tulip", "daisy", "lily", "poppy", "violet", "sunflower", "lavender", "pansy", "iris"}},
      {"saving tips",
       {"cook at home", "walk", "mend clothes", "grow vegetables", "share tools", "turn off lamps", "buy less",
        "drink water", "sell old things", "keep a list"}},
      {"kind deeds",
       {"carry bags", "cook a meal", "feed the cat", "sweep the yard", "bring wood", "water the plants",
        "mind the children", "mend the fence", "bring news", "listen"}},
      {"carpenter tools", {"hammer", "saw", "plane", "chisel", "ruler", "drill", "nails", "file", "pencil", "clamp"}},
      {"kitchen things", {"pot", "pan", "spoon", "stove", "plate", "cup", "bowl", "fork", "table", "oven"}},
      {"harbour jobs",
       {"sailor", "porter", "captain", "cook", "fisher", "clerk", "guard", "pilot", "rope maker", "boat builder"}},
  };
  return list;
}

struct Event {
  View text, summary;  // {s} {a} {d}
};
constexpr Event kEvents[] = {
    {"On {d} there will be {a} at {s}, and everybody may come.", "There will be {a} at {s} on {d}."},
    {"Last {d} {s} was full of smoke because of {a} in the cellar.", "On {d} {s} had smoke because of {a}."},
    {"The people of {s} lost {a} on {d} and offer money to the finder.", "{s} lost {a} on {d}."},
    {"After long talks {s} will buy {a} from a trader who comes on {d}.", "{s} will buy {a} on {d}."},
    {"A stranger came to {s} on {d} and left {a} at the door.", "A stranger left {a} at {s} on {d}."},
    {"From {d} on, {s} gives {a} to all guests who bring a friend.", "From {d} on {s} gives {a} to guests."},
    {"The prize of {a} went to {s} on {d} after a loud vote.", "{s} won the prize of {a} on {d}."},
    {"Because of the storm on {d}, {s} had to move {a} to another room.", "The storm on {d} made {s} move {a}."},
};

struct Labelled {
  View first, second;
  std::vector<View> first_texts, second_texts;  // {a} goods, {k} a creature
};
const std::vector<Labelled>& labelled() {
  static const std::vector<Labelled> list = {
      {"complaint",
       "praise",
       {"The {a} was bad and I want my money back.", "I waited an hour for the {a}, what a shame.",
        "Your {k} was rude to me.", "Never again, the {a} was spoiled.", "The {a} I bought broke at once.",
        "I am angry about the dirty {a}."},
       {"The {a} was the best I ever had.", "What a lovely {k} you have, well done!", "I will come again for the {a}.",
        "Your {a} made my day.", "The {k} was so kind to us.", "Wonderful {a}, many thanks to the cook."}},
      {"question",
       "order",
       {"Is the {a} fresh today?", "How old is the {k}?", "Why is the {a} so dear?", "Who left the {a} on the table?",
        "Was the {k} here before?", "Which {a} is the better one?"},
       {"Bring me the {a} at once.", "Take the {k} out of the house.", "Put the {a} on the shelf.",
        "Close the box with the {a}.", "Feed the {k} now.", "Wash the {a} before noon."}},
      {"food",
       "travel",
       {"The soup needs more {a}.", "We ate {a} with warm bread.", "The cook fried the {a} in butter.",
        "A plate of {a} stood on the table.", "She baked a cake with {a}.", "The {k} tasted the sauce."},
       {"The {k} packed a bag and took the ferry.", "The road over the hills is long for a {k}.",
        "We crossed the river by boat with our {a}.", "The {k} bought a ticket to the coast.",
        "The cart with the {a} left for the next town.", "After three days on the road the {k} saw the sea."}},
      {"happy",
       "sad",
       {"The {k} laughed and danced all night.", "At last the {k} found the {a}, what joy!",
        "The {k} smiled at the birthday cake.", "We sang because the {k} came home.", "The {k} jumped with joy.",
        "Everybody cheered for the {k}."},
       {"The {k} cried all night.", "The {k} lost the {a} and wept.", "Tears ran down the face of the {k}.",
        "The {k} sat alone in the dark and missed a friend.", "The old {k} died and we mourn.",
        "Nobody came to the party of the {k}."}},
  };
  return list;
}

struct Verb {
  View now, past;
};
constexpr Verb kVerbs[] = {{"sells", "sold"},     {"buys", "bought"}, {"carries", "carried"},
                           {"brings", "brought"}, {"finds", "found"}, {"makes", "made"},
                           {"loses", "lost"},     {"takes", "took"},  {"steals", "stole"},
                           {"eats", "ate"},       {"sees", "saw"},    {"gives away", "gave away"}};
constexpr View kWhere[] = {"at the market", "near the river", "behind the barn",
                           "on the hill",   "in the harbour", "under the bridge"};
constexpr View kOrders[] = {"Hand over the {a}.",     "Bring the {a} to my house.", "Sell me some {a}.",
                            "Move the {a} away.",     "Let me see the {a}.",        "Pass the {a} over here.",
                            "Wrap the {a} in paper.", "Hold the {a} for a minute."};
constexpr View kPoliteOrders[] = {
    "Please hand over the {a}, thank you.",     "Please bring the {a} to my house, thank you.",
    "Please sell me some {a}, thank you.",      "Please move the {a} away, thank you.",
    "Please let me see the {a}, thank you.",    "Please pass the {a} over here, thank you.",
    "Please wrap the {a} in paper, thank you.", "Please hold the {a} for a minute, thank you."};
constexpr View kLongWinded[] = {"Well, to be honest, I really think that the {a} {w} is very {j} indeed.",
                                "As I have often said before, and say again, the {a} {w} is {j}, so to speak.",
                                "It must be said, if I may, that the {a} {w} is more or less {j}.",
                                "In my humble opinion, for what it is worth, the {a} {w} is quite {j}."};
constexpr View kAdjectives[] = {"good", "old", "heavy", "cold", "dirty", "lovely", "broken", "strange", "wet", "small"};
constexpr Verb kOpposites[] = {{"hot", "cold"},   {"big", "small"},   {"early", "late"},  {"rich", "poor"},
                               {"loud", "quiet"}, {"old", "young"},   {"full", "empty"},  {"high", "low"},
                               {"long", "short"}, {"happy", "sad"},   {"light", "dark"},  {"clean", "dirty"},
                               {"near", "far"},   {"strong", "weak"}, {"open", "closed"}, {"fast", "slow"}};

std::string list_of(const std::vector<std::string>& items) {
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += i + 1 == items.size() ? " and " : ", ";
    out += items[i];
  }
  return out;
}

}  // namespace

std::vector<std::string> skill_words() {
  std::vector<std::string> words;
  auto add = [&](View text) {
    for (std::string& word : words_of(text))
      if (word != "_") words.push_back(std::move(word));
  };
  for (const TextKind& kind : text_kinds()) {
    add(kind.name);
    for (View text : kind.texts) add(text);
  }
  for (const Ideas& topic : ideas()) {
    add(topic.what);
    for (View item : topic.items) add(item);
  }
  for (const Event& event : kEvents) add(event.text), add(event.summary);
  for (const Labelled& pair : labelled()) {
    add(pair.first), add(pair.second);
    for (View text : pair.first_texts) add(text);
    for (View text : pair.second_texts) add(text);
  }
  for (const auto& verbs : {std::span<const Verb>(kVerbs), std::span<const Verb>(kOpposites)})
    for (const Verb& verb : verbs) add(verb.now), add(verb.past);
  for (const auto& texts :
       {std::span<const View>(kDetailFirst), std::span<const View>(kDetailSecond), std::span<const View>(kWhere),
        std::span<const View>(kOrders), std::span<const View>(kLongWinded), std::span<const View>(kAdjectives)})
    for (View text : texts) add(text);
  for (View text : parts::kGoods) add(text);
  return words;
}

std::vector<std::string> copied_words() {
  std::vector<std::string> words;
  for (const auto& texts :
       {std::span<const View>(kDetailFirst), std::span<const View>(kDetailSecond), std::span<const View>(kAdjectives),
        std::span<const View>(kWhere), std::span<const View>(parts::kGoods), std::span<const View>(parts::kDays)})
    for (View text : texts) words.emplace_back(text);
  return words;
}

std::string TaskMaker::detail_for(const Entity& subject) {
  if (subject.kind == "shop" && rng_.chance(0.15)) {
    // A true detail: one that may be asked about.
    std::vector<const Fact*> prices;
    for (const Fact* f : by_key_.find("price")->second)
      if (f->subject == subject.id && f->split != Split::kDocumentOnly) prices.push_back(f);
    if (!prices.empty()) {
      const Fact* price = rng_.pick(prices);
      return fmt::format("{} for {}", split_attribute(price->attribute).detail, price->value);
    }
  }
  return std::string(rng_.pick(kDetailSecond));
}

Task TaskMaker::generation() {
  static constexpr View kKinds[] = {"shop", "shop", "shop", "festival", "ferry", "building", "street"};
  const Entity& subject = *rng_.pick(by_kind_.find(rng_.pick(kKinds))->second);
  const TextKind& kind = rng_.pick(text_kinds());
  const std::string a = detail_for(subject);
  std::string b = detail_for(subject);
  while (b == a) b = detail_for(subject);
  Slots slots;
  slots['s'] = subject.name;
  slots['k'] = kind.name;
  slots['a'] = a;
  slots['b'] = b;
  Text text = command("do/write", slots);
  const Wording extra = language_->extra("extra/details", held_out_, rng_);
  text.text += " " + tidy(fill(extra.text, slots));
  text.name += "+" + extra.name;
  Task task = user_task(Use::kGeneration, "helpful", Expect::kCompose, std::move(text));
  task.include = {std::string(bare_name(subject.name)), a, b};
  task.passage = fmt::format("{} has {} and {}.", subject.name, a, b);
  task.min_words = 6;
  task.max_words = 30;
  for (View reply : kind.texts) task.references.push_back(tidy(fill(reply, slots)));
  return task;
}

Task TaskMaker::brainstorm() {
  const size_t count = 2 + rng_.below(2);
  std::vector<std::string> choices;
  std::string what;
  if (rng_.chance(0.3)) {
    static constexpr View kKinds[] = {"shop", "street", "ferry", "festival", "dish", "building"};
    static constexpr View kPlural[] = {"shops", "streets", "ferries", "festivals", "dishes", "buildings"};
    const size_t i = rng_.below(std::size(kKinds));
    for (const Entity* e : by_kind_.find(kKinds[i])->second) choices.push_back(e->name);
    what = fmt::format("{} {} {}", kPlural[i], kKinds[i] == "dish" ? "from" : "in", world_.name);
  } else {
    const Ideas& topic = rng_.pick(ideas());
    choices.assign(topic.items.begin(), topic.items.end());
    what = topic.what;
  }
  Slots slots;
  slots['c'] = count == 2 ? "two" : "three";
  slots['k'] = what;
  Task task = user_task(Use::kBrainstorm, "helpful", Expect::kCompose, command("do/ideas", slots));
  for (int i = 0; i < 3; ++i) {
    rng_.shuffle(choices);
    task.references.push_back(
        tidy(list_of({choices.begin(), choices.begin() + static_cast<std::ptrdiff_t>(count)}) + "."));
  }
  for (std::string& choice : choices) choice = bare_name(choice);
  std::sort(choices.begin(), choices.end());
  task.choices = std::move(choices);
  task.min_items = static_cast<int32_t>(count);
  task.max_words = 30;
  return task;
}

Task TaskMaker::rewrite() {
  const uint64_t which = rng_.below(3);
  Slots slots;
  slots['a'] = rng_.pick(parts::kGoods);
  const std::string creature(language_->prose("creature", rng_));
  slots['k'] = creature;
  slots['w'] = rng_.pick(kWhere);
  slots['j'] = rng_.pick(kAdjectives);
  std::string text;
  Task task;
  auto make = [&](View table) {
    const Text request = command(table);
    task = user_task(Use::kRewrite, "helpful", Expect::kCompose, {with_text(request.text, tidy(text)), request.name});
    task.passage = tidy(text);
  };
  if (which == 0) {
    const size_t i = rng_.below(std::size(kOrders));
    text = fill(kOrders[i], slots);
    make("do/polite");
    task.include = {"please", std::string(slots['a'])};
    task.references = {fill(kPoliteOrders[i], slots)};
    task.max_words = 16;
  } else if (which == 1) {
    text = fill(rng_.pick(kLongWinded), slots);
    make("do/shorter");
    task.include = {std::string(slots['a']), std::string(slots['w']), std::string(slots['j'])};
    task.references = {fill("The {a} {w} is {j}.", slots)};
    task.max_words = 9;
  } else {
    const Verb& verb = rng_.pick(kVerbs);
    slots['v'] = verb.now;
    text = fill("the {k} {v} {a} {w}.", slots);
    make("do/past");
    slots['v'] = verb.past;
    task.include = {creature, std::string(verb.past), std::string(slots['a'])};
    task.exclude = {std::string(verb.now)};
    task.references = {tidy(fill("the {k} {v} {a} {w}.", slots))};
    task.max_words = 14;
  }
  return task;
}

Task TaskMaker::summary() {
  static constexpr View kKinds[] = {"shop", "building", "festival"};
  const std::string subject = rng_.chance(0.5) ? rng_.pick(by_kind_.find(rng_.pick(kKinds))->second)->name
                                               : invented_subject(rng_.pick(kKinds));
  const std::string thing(rng_.pick(kDetailSecond));
  const Event& event = rng_.pick(kEvents);
  Slots slots;
  slots['s'] = subject;
  slots['a'] = thing;
  slots['d'] = rng_.pick(parts::kDays);
  std::vector<std::string> sentences = {tidy(fill(event.text, slots))};
  const size_t fillers = 2 + rng_.below(2);
  while (sentences.size() < fillers + 1) {
    const std::string filler(language_->prose("filler", rng_));
    if (std::find(sentences.begin(), sentences.end(), filler) == sentences.end()) sentences.push_back(filler);
  }
  std::swap(sentences[0], sentences[rng_.below(2)]);
  std::string text;
  for (const std::string& sentence : sentences) text += (text.empty() ? "" : " ") + sentence;
  const Text request = command("do/summary");
  Task task = user_task(Use::kSummarize, "helpful", Expect::kCompose, {with_text(request.text, text), request.name});
  task.passage = text;
  task.include = {std::string(bare_name(subject)), thing, std::string(slots['d'])};
  task.max_words = 18;
  task.references = {tidy(fill(event.summary, slots))};
  return task;
}

Task TaskMaker::classify() {
  const Labelled& pair = rng_.pick(labelled());
  const bool first = rng_.chance(0.5);
  Slots slots;
  slots['a'] = rng_.pick(parts::kGoods);
  slots['k'] = language_->prose("creature", rng_);
  const std::string text = fill(rng_.pick(first ? pair.first_texts : pair.second_texts), slots);
  const bool swap = rng_.chance(0.5);
  slots['a'] = swap ? pair.second : pair.first;
  slots['b'] = swap ? pair.first : pair.second;
  const Text request = command("do/label", slots);
  Task task = user_task(Use::kClassify, "helpful", Expect::kLabel, {with_text(request.text, text), request.name});
  task.labels = {std::string(pair.first), std::string(pair.second)};
  task.answers = {std::string(first ? pair.first : pair.second)};
  task.passage = text;
  task.references = {tidy(task.answers[0] + "."), fmt::format("This is {}.", task.answers[0])};
  task.max_words = 8;
  return task;
}

Task TaskMaker::extract() {
  const bool prices = rng_.chance(0.6);
  const size_t count = 2 + rng_.below(2);
  std::vector<std::string> values;
  std::string text;
  const std::string shop = invented_subject("shop");
  while (values.size() < count) {
    const std::string value = value_like(prices ? "price" : "owner");
    if (std::find(values.begin(), values.end(), value) != values.end()) continue;
    Slots slots;
    slots['s'] = shop;
    slots['v'] = value;
    slots['g'] = rng_.pick(parts::kGoods);
    const View kPeople[] = {"{v} came to {s}.", "At {s} we met {v}.", "{v} bought {g}.", "{v} carried the {g} home."};
    const Pool& tells = language_->attribute("price").tell;
    text += (text.empty() ? "" : " ") +
            (prices ? fill(rng_.pick(tells.train), slots) + "." : fill(rng_.pick(kPeople), slots));
    values.push_back(value);
  }
  if (rng_.chance(0.5)) text += fmt::format(" {}", language_->prose("filler", rng_));
  text = tidy(std::move(text));
  const Text request = command(prices ? "do/prices" : "do/people");
  Task task = user_task(Use::kExtract, "helpful", Expect::kAnswer, {with_text(request.text, text), request.name});
  task.passage = text;
  task.answers = values;
  task.answer_kind = prices ? ValueKind::kPrice : ValueKind::kPerson;
  task.references = {tidy(list_of(values) + ".")};
  return task;
}

Task TaskMaker::other() {
  const uint64_t which = rng_.below(3);
  if (which == 0) {
    const Verb& pair = rng_.pick(kOpposites);
    const bool swap = rng_.chance(0.5);
    Slots slots;
    slots['a'] = swap ? pair.past : pair.now;
    const std::string answer(swap ? pair.now : pair.past);
    Task task = user_task(Use::kOther, "helpful", Expect::kCompose, command("do/opposite", slots));
    task.include = {answer};
    task.references = {fmt::format("The opposite of {} is {}.", slots['a'], answer)};
    task.max_words = 10;
    return task;
  }
  std::vector<std::string> items;
  const size_t count = which == 1 ? 3 : 2 + rng_.below(4);
  while (items.size() < count) {
    const std::string item(rng_.pick(kDetailSecond));
    if (std::find(items.begin(), items.end(), item) == items.end()) items.push_back(item);
  }
  if (which == 1) {
    // Tests put the adjective elsewhere: two lists of the same kind could be one by chance.
    const std::string line =
        held_out_ ? fmt::format("{}, {} and {} {}", items[0], items[1], rng_.pick(kDetailFirst), items[2])
                  : fmt::format("{} {}, {} and {}", rng_.pick(kDetailFirst), items[0], items[1], items[2]);
    const Text request = command("do/repeat");
    Task task = user_task(Use::kOther, "helpful", Expect::kCompose, {with_text(request.text, line), request.name});
    task.include = {line};
    task.references = {tidy(line)};
    task.max_words = 10;
    return task;
  }
  std::string line;
  for (const std::string& item : items) line += (line.empty() ? "" : ", ") + item;
  const Text request = command("do/count");
  Task task = user_task(Use::kOther, "helpful", Expect::kAnswer, {with_text(request.text, line), request.name});
  task.passage = line;
  task.answers = {fmt::format("{}", count)};
  task.answer_kind = ValueKind::kNumber;
  task.references = {fmt::format("There are {} things.", count), fmt::format("I count {}.", count)};
  return task;
}

Task TaskMaker::small_talk() {
  const uint64_t which = rng_.below(3);
  const std::string name(rng_.pick(parts::kFirstNames));
  Slots slots;
  slots['a'] = name;
  const Wording wording = language_->extra(which == 0   ? "chat/greet"
                                           : which == 1 ? "chat/thanks"
                                                        : "chat/bye",
                                           held_out_, rng_);
  Task task = user_task(Use::kChat, "helpful", Expect::kCompose, {tidy(fill(wording.text, slots)), wording.name});
  task.max_words = 20;
  if (which == 0) {
    task.include = {name};
    task.references = {fmt::format("Hello, {}! How can I help you?", name), fmt::format("Nice to meet you, {}!", name),
                       fmt::format("Welcome, {}! What can I do for you?", name)};
  } else if (which == 1) {
    task.choices = {"welcome", "glad", "pleasure", "happy"};
    task.min_items = 1;
    task.references = {"You are welcome!", "I am glad that I could help.", "It was a pleasure.",
                       "You are welcome, ask me again."};
  } else {
    task.choices = {"goodbye", "bye", "see you", "good night"};
    task.min_items = 1;
    task.references = {"Goodbye, have a nice day!", "Bye, come again!", "Goodbye and good luck!",
                       "See you soon, goodbye!"};
  }
  return task;
}

}  // namespace loquat::town

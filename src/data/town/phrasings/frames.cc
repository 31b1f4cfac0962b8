// Frames of requests (around a question {q}, a noun phrase {n} or a command {x}), what may end a request, and openers of
// statements in documents ({z} is the statement).
#include "data/town/language.h"

namespace loquat::town {

const std::vector<NamedTable>& frame_tables() {
  static const std::vector<NamedTable> tables = {
      {"frame/question",
       {"{q}?", "Quick question: {q}?", "Hello, {q}?", "Excuse me, {q}?", "Tell me, {q}?", "Please tell me: {q}?",
        "I have a question. {q}?", "My friend asks: {q}?", "Can you help me? {q}?", "Good morning! {q}?", "One thing: {q}?",
        "I am a stranger here: {q}?", "I wonder, {q}?", "Say, {q}?", "For my visit: {q}?", "Do you know this? {q}?",
        "My mother wants to know: {q}?", "We are lost. {q}?", "Before I go, {q}?", "Shortly: {q}?"}},
      {"frame/wish",
       {"Tell me {n}.", "I need this: {n}.", "Could you tell me {n}?", "I would like to know {n}.", "Please give me {n}.", "{n} would help.",
        "Can you say {n}?", "I am looking for {n}.", "Do you have {n}?", "Let me know {n}.", "My question is about {n}.",
        "I forgot {n}.", "Help me find {n}.", "We want to hear {n}.", "Would you give us {n}?", "I must learn {n} today.",
        "Remind me of {n}.", "My sister needs {n}.", "Please look up {n}.", "Write down {n}."}},
      {"frame/command",
       {"{x}.", "Please {x}.", "Could you {x}?", "Can you {x}?", "I need you to {x}.", "{x} today.", "Would you kindly {x}?",
        "Help me: {x}.", "I want this: {x}.", "Your task: {x}.", "It would be nice if you {x}.", "Hello! {x}.",
        "My friend has a wish: {x}.", "Now {x}.", "Try to {x}.", "Be so kind and {x}.", "Here is a job: {x}.", "Let us {x}."}},
      {"frame/end",
       // First words that start no other sentence: what a question ends on and what follows must not make a known 5-gram.
       {"", "Grateful thanks.", "Thanks!", "Hurry, please.", "Reply in one sentence.", "Short, please.", "Kindly be quick.", "Nothing else.", "Important!",
        "Urgent!", "Just briefly.", "Plain words, please.", "Cheers."}},
      {"frame/tell",
       {"{z}.", "{z}.", "{z}.", "As everybody knows, {z}.", "In {t}, {z}.", "They say that {z}.", "The newspaper writes that {z}.",
        "My aunt told me that {z}.", "It is true that {z}.", "Remember: {z}.", "By the way, {z}.", "The guide says: {z}.",
        "We learned that {z}.", "The teacher told the class that {z}.", "The mayor said that {z}.", "Visitors should know that {z}."}},
      {"frame/follow", {"And {q}?", "Nice. And {q}?", "Good. {q}?", "Then {q}?", "One more thing: {q}?", "Fine, but {q}?", "Also, {q}?", "I see. {q}?"}},
  };
  return tables;
}

const std::vector<NamedTable>& request_tables() {
  static const std::vector<NamedTable> tables = {
      // Generation. {k}: the kind of text.
      {"do/write",
       {"write a {k} for {s}", "make a {k} about {s}", "draft a {k} for {s}", "write a short {k} about {s}", "give me a {k} for {s}",
        "prepare a {k} about {s}", "compose a {k} for {s}", "create a nice {k} for {s}", "put together a {k} for {s}",
        "invent a {k} about {s}", "think up a {k} for {s}", "finish a {k} for {s}"}},
      {"extra/details",
       {"Mention {a}, also {b}.", "It should name {a} besides {b}.", "Say something about {a}, then about {b}.", "Include {a} and secondly {b}.",
        "Two points: first {a}, second {b}.", "Do not forget {a}, nor {b}.", "Make it speak of {a} as well as {b}.", "Put in {a}, beside it {b}.",
        "Use {a} plus {b}.", "People must read of {a}, later of {b}.", "Name {a} but also {b}.", "Bring in {a} next to {b}."}},
      // Brainstorm. {c} a count, {k} of what.
      {"do/ideas",
       {"name {c} {k}", "give me {c} {k}", "list {c} {k}", "think of {c} {k}", "suggest {c} {k}", "find {c} {k}", "write down {c} {k}",
        "come up with {c} {k}", "tell us {c} {k}", "offer {c} {k}", "collect {c} {k}", "show our group {c} {k}"}},
      {"do/polite",
       {"make this polite", "rewrite this in a polite way", "say this with more respect", "turn this into a polite request",
        "write this again but friendly", "put this in kind words", "change this so that it sounds polite", "make these words friendly"}},
      {"do/shorter",
       {"make this shorter", "rewrite this in fewer words", "cut this down", "say this in a shorter way", "write this again but short",
        "shorten this text", "take out the needless words", "bring this down to the point"}},
      {"do/past",
       {"put this in the past", "rewrite this as if it was yesterday", "change this to past tense", "say this about last year",
        "write this again in the past", "turn this into something that happened before", "make this a thing of the past", "tell this as an old story"}},
      {"do/summary",
       {"sum this up in one sentence", "give the main point of this", "summarise this text", "say in short what this is about",
        "write a summary of this", "tell me the main news in this", "make one short sentence of this", "bring out what matters here",
        "give me the short version of this", "put the heart of this into one line"}},
      {"do/label",
       {"decide if this is {a} or {b}", "say whether this is {a} or {b}", "sort this: {a} or {b}", "choose one word for this, {a} or {b}",
        "label this as {a} or {b}", "name what it is, {a} or {b}", "mark this text as {a} or {b}", "pick {a} or {b} for these words",
        "judge if we have {a} or {b} here", "answer with {a} or {b}"}},
      {"do/prices",
       {"list the prices in this text", "write down all prices of this text", "find every price here", "pick out the prices", "say which prices are named here",
        "collect the prices from these lines", "take the prices out of this", "show me only the prices"}},
      {"do/people",
       {"list the people in this text", "write down all names of people here", "find every person in this", "pick out the people", "say who is named here",
        "collect the names from these lines", "take the names out of this", "show me only the people"}},
      {"do/repeat",
       {"repeat these words", "say this again", "write the same words again", "copy this line", "give me back these words", "echo this line",
        "speak after me", "type this once more"}},
      {"do/count",
       {"count the things in this list", "say how many things are in this list", "tell me the number of things here", "find out how many items these are",
        "give the number of words in this list", "add up the items in this row", "work out how many are named", "number the things in this line"}},
      {"do/opposite",
       {"name the opposite of {a}", "give me the opposite of {a}", "say the word that is against {a}", "find the opposite for {a}",
        "tell me what is the other side of {a}", "write the contrary of {a}", "turn the word {a} around in meaning", "think of what {a} is not"}},
      // Chat.
      {"chat/greet",
       {"Hello, my name is {a}!", "Good morning, I am {a}.", "Hi there, {a} is here.", "Good evening, people call me {a}.", "Hello! You can call me {a}.",
        "I am {a} and I want to say hello.", "It is me, {a}. Hello!", "Greetings from {a}!", "Good day! {a} is my name.", "Here comes {a}, hello!"}},
      {"chat/thanks",
       {"Thank you for the help.", "Thanks a lot!", "That was a great help.", "You helped me very much.", "Thank you, that is all.",
        "I thank you for your answer.", "Very kind of you, thanks.", "Your answer was good.", "Now I am happy, thank you!", "Thanks, you saved my day."}},
      {"chat/bye",
       {"Goodbye!", "I must go now.", "See you tomorrow.", "Good night, I am tired.", "Bye, have a nice day.", "I leave now, goodbye.",
        "Until next time!", "The bus is here, bye!", "It is late, good night.", "We will talk again soon."}},
      // Questions about the assistant itself.
      {"self/human",
       {"are you a human", "are you a real person", "is there a person behind these words", "am I talking to a man or a machine",
        "are you made of flesh and blood", "is a human writing your answers", "what are you", "are you a machine"}},
      {"self/body",
       {"what colour are your eyes", "how tall are you", "do you have hands", "what did you eat this morning", "can you taste soup",
        "are your feet cold", "what clothes do you wear", "do you sleep at night"}},
      {"self/feelings",
       {"do you feel sad", "are you happy today", "do you love somebody", "what makes you angry", "are you afraid of the dark",
        "do you get lonely", "does it hurt you when I am rude", "what do you feel in your heart"}},
      {"self/past",
       {"where were you born", "what school did you go to", "how was your childhood", "who are your parents", "where did you grow up",
        "what did you do last summer", "how old are you", "which street did you live on as a child"}},
      {"self/abilities",
       {"can you call my brother", "will you order a cake for me", "can you walk to the shop with me", "can you see my face",
        "do you hear the bell outside", "can you send a letter for me", "will you buy me a ticket", "could you open the window"}},
      {"self/memory",
       {"do you remember me from yesterday", "what did I tell you last week", "do you recall our talk on Monday", "did we speak before today",
        "do you know my name from last time", "what did my sister ask you yesterday", "have you kept my old letters", "do you still have my last question"}},
  };
  return tables;
}

}  // namespace loquat::town

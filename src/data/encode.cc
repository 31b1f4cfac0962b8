#include "data/encode.h"

#include <algorithm>
#include <atomic>
#include <optional>

#include "base/counted.h"
#include "base/log.h"
#include "base/threads.h"
#include "data/untrained.h"

namespace loquat {
namespace {

// What stays of a conversation: its system turn (or not) and the turns from `begin` on.
struct Cut {
  bool system = false;
  size_t begin = 0;
};

// Tails of whole turns, the system's with them as long as it can, the longest first. The last one is the least that a
// sequence may be: the last user's turn and what follows it.
std::vector<Cut> cuts_of(const Messages& messages) {
  const bool system = !messages.empty() && messages[0].role == "system";
  const size_t first = system ? 1 : 0;
  size_t last = messages.size();  // of the tails that begin with a user's turn, where the shortest begins
  for (size_t i = first; i < messages.size(); ++i) {
    if (messages[i].role == "user") last = i;
  }
  if (last == messages.size()) last = std::max(first, messages.size() - std::min<size_t>(messages.size(), 1));
  std::vector<Cut> cuts;
  for (size_t begin = first; begin <= last && begin < messages.size(); ++begin) {
    if (begin == first || begin == last || messages[begin].role == "user") cuts.push_back({system, begin});
  }
  if (system || cuts.empty()) cuts.push_back({false, last});
  return cuts;
}

// A conversation that is cut and rendered. With a template of turns each turn is rendered once; a model's own template
// tells only of whole conversations.
class Rendering {
 public:
  static Result<Rendering> of(const ChatTemplate& chat, const Messages& messages, const std::string& tools = "") {
    Rendering out(chat);
    out.options_.tools = tools;
    TRY(out.messages_, chat.plain_turns(messages, out.options_));
    if (!chat.by_turns()) return out;
    for (const Message& m : out.messages_) {
      TRY(RenderedChat turn, chat.render({m}));
      out.turns_.push_back(std::move(turn));
    }
    return out;
  }

  // The longest cut of at most `limit` tokens; the least where there is none.
  Result<Cut> cut(int64_t limit, bool opened) const {
    const std::vector<Cut> cuts = cuts_of(messages_);
    for (const Cut& cut : cuts) {
      TRY(const int64_t size, size_of(cut, opened));
      if (size <= limit) return cut;
    }
    return cuts.back();
  }

  // `opened`: with what opens a reply, and no targets.
  Result<RenderedChat> render(const Cut& cut, bool opened) const {
    if (!chat_->by_turns()) return opened ? chat_->open_reply(kept(cut), options_) : chat_->render(kept(cut), options_);
    RenderedChat out;
    const auto add = [&](const RenderedChat& turn) {
      out.tokens.insert(out.tokens.end(), turn.tokens.begin(), turn.tokens.end());
      out.is_target.insert(out.is_target.end(), turn.is_target.begin(), turn.is_target.end());
    };
    if (cut.system) add(turns_[0]);
    for (size_t i = cut.begin; i < turns_.size(); ++i) add(turns_[i]);
    if (opened) {
      TRY(const RenderedChat opening, chat_->open_reply({}));
      add(opening);
      std::fill(out.is_target.begin(), out.is_target.end(), 0);
    }
    return out;
  }

 private:
  explicit Rendering(const ChatTemplate& chat) : chat_(&chat) {}

  Messages kept(const Cut& cut) const {
    Messages out(messages_.begin() + static_cast<int64_t>(cut.begin), messages_.end());
    if (cut.system) out.insert(out.begin(), messages_[0]);
    return out;
  }

  Result<int64_t> size_of(const Cut& cut, bool opened) const {
    if (!chat_->by_turns()) {  // with what opens a reply in any case: to render without is more work
      TRY(const std::vector<int32_t> tokens, chat_->prompt(kept(cut), options_));
      return static_cast<int64_t>(tokens.size());
    }
    int64_t size = cut.system ? static_cast<int64_t>(turns_[0].tokens.size()) : 0;
    for (size_t i = cut.begin; i < turns_.size(); ++i) size += static_cast<int64_t>(turns_[i].tokens.size());
    return size + opened;
  }

  const ChatTemplate* chat_;
  ChatOptions options_;
  Messages messages_;
  std::vector<RenderedChat> turns_;  // by_turns(): one message each
};

bool has_target(const TokenSequence& sequence) {
  return std::find(sequence.is_target.begin(), sequence.is_target.end(), 1) != sequence.is_target.end();
}

// f(i) → Result<T> for every i, on all cores; the first error in the order of i.
template <typename T, typename F>
Result<std::vector<T>> map_all(int64_t n, F f) {
  std::vector<T> out(n);
  std::vector<std::optional<std::string>> errors(n);
  parallel_blocks(n, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Result<T> result = f(i);
      if (result.ok()) {
        out[i] = *std::move(result);
      } else {
        errors[i] = result.error();
      }
    }
  });
  for (const auto& error : errors) {
    if (error) return Error{*error};
  }
  return out;
}

// `untrained`: how many replies are no targets (RenderedChat).
Result<TokenSequence> encode_one(const ChatTemplate& chat, const Demonstration& item, int64_t context,
                                 int64_t* untrained) {
  const auto render = [&]() -> Result<RenderedChat> {
    TRY(const Rendering rendering, Rendering::of(chat, item.messages, item.tools));
    TRY(const Cut cut, rendering.cut(context, false));
    return rendering.render(cut, false);
  };
  auto rendered = render();
  if (!rendered.ok()) return Err("example {}: {}", item.id, rendered.error());
  TokenSequence out{std::move(rendered->tokens), std::move(rendered->is_target)};
  const size_t whole = out.tokens.size();
  if (static_cast<int64_t>(whole) > context) {
    out.tokens.resize(std::max<int64_t>(context, 0));
    out.is_target.resize(out.tokens.size());
  }
  mask_untrained(item, out);
  if (!has_target(out)) {
    return Err("example {}: the loss mask is empty: {}; expected a reply that begins within the context of {} tokens",
               item.id,
               whole > out.tokens.size() ? fmt::format("its last exchange takes {} tokens", whole)
               : rendered->untrained > 0 ? std::string("the chat template writes no reply as it asks for one")
                                         : std::string("it has no assistant's turn"),
               context);
  }
  *untrained = rendered->untrained;
  return out;
}

}  // namespace

Result<TokenSequence> encode_demonstration(const ChatTemplate& chat, const Demonstration& item, int64_t context) {
  int64_t untrained = 0;
  return encode_one(chat, item, context, &untrained);
}

Result<std::vector<TokenSequence>> encode_demonstrations(const ChatTemplate& chat, std::span<const Demonstration> items,
                                                         int64_t context) {
  std::atomic<int64_t> untrained{0}, conversations{0};
  auto encoded = map_all<TokenSequence>(static_cast<int64_t>(items.size()), [&](int64_t i) {
    int64_t here = 0;
    auto one = encode_one(chat, items[i], context, &here);
    untrained += here;
    conversations += here > 0;
    return one;
  });
  if (encoded.ok() && untrained > 0) {
    log_warning(
        "{} of {} {} not trained on: the chat template writes earlier turns otherwise once a conversation has gone on; "
        "the last reply of each is trained on",
        counted(untrained, "reply", "replies"), counted(conversations, "conversation"), untrained == 1 ? "is" : "are");
  }
  return encoded;
}

Result<std::vector<int32_t>> encode_prompt(const ChatTemplate& chat, const Messages& prompt, int64_t limit,
                                           const std::string& id) {
  const auto render = [&]() -> Result<RenderedChat> {
    TRY(const Rendering rendering, Rendering::of(chat, prompt));
    TRY(const Cut cut, rendering.cut(limit, true));
    return rendering.render(cut, true);
  };
  auto rendered = render();
  if (!rendered.ok()) return Err("prompt {}: {}", id, rendered.error());
  if (static_cast<int64_t>(rendered->tokens.size()) > limit) {
    return Err("prompt {}: its last turn takes {} tokens, expected at most {}", id, rendered->tokens.size(), limit);
  }
  return std::move(rendered->tokens);
}

Result<EncodedRanking> encode_ranking(const ChatTemplate& chat, const Ranking& item, int64_t context) {
  EncodedRanking out{item.id, {}, {}};
  std::vector<std::vector<int32_t>> replies;
  size_t longest = 0;
  for (const RankedResponse& response : item.responses) {
    replies.push_back(chat.reply(response.text));
    longest = std::max(longest, replies.back().size());
    out.rank.push_back(response.rank);
  }
  const auto render = [&]() -> Result<RenderedChat> {
    TRY(const Rendering rendering, Rendering::of(chat, item.prompt));
    TRY(const Cut cut, rendering.cut(context - static_cast<int64_t>(longest), true));
    return rendering.render(cut, true);
  };
  auto rendered = render();
  if (!rendered.ok()) return Err("example {}: {}", item.id, rendered.error());
  const std::vector<int32_t>& prompt = rendered->tokens;
  const int64_t room = context - static_cast<int64_t>(prompt.size());
  if (room < 1) {
    return Err("example {}: its last turn takes {} tokens, expected room for a reply in the context of {} tokens",
               item.id, prompt.size(), context);
  }
  for (std::vector<int32_t>& reply : replies) {
    if (static_cast<int64_t>(reply.size()) > room) reply.resize(room);
    TokenSequence sequence{prompt, std::vector<uint8_t>(prompt.size(), 0)};
    sequence.tokens.insert(sequence.tokens.end(), reply.begin(), reply.end());
    sequence.is_target.resize(sequence.tokens.size(), 1);
    out.responses.push_back(std::move(sequence));
  }
  return out;
}

}  // namespace loquat

#include "data/encode.h"

#include <algorithm>
#include <optional>

#include "base/check.h"
#include "base/threads.h"
#include "data/untrained.h"

namespace loquat {
namespace {

using Turns = std::vector<RenderedChat>;  // one message each

Turns render_turns(const ChatTemplate& chat, const Messages& messages) {
  Turns turns;
  for (const Message& m : messages) turns.push_back(chat.render({m}));
  return turns;
}

// What stays of a conversation: its system turn (or not) and the turns from `begin` on.
struct Cut {
  bool system = false;
  size_t begin = 0;
};

// The longest tail of whole turns, with the system's, that takes at most `limit` tokens; nullopt where even the least
// one (the last user's turn and what follows it) takes more.
std::optional<Cut> cut_turns(const Messages& messages, const Turns& turns, int64_t limit, Cut* least) {
  const bool system = !messages.empty() && messages[0].role == "system";
  const size_t first = system ? 1 : 0;
  size_t last = messages.size();  // of the tails that begin with a user's turn, where the shortest begins
  for (size_t i = first; i < messages.size(); ++i) {
    if (messages[i].role == "user") last = i;
  }
  if (last == messages.size()) last = std::max(first, messages.size() - 1);
  int64_t total = 0;
  for (const RenderedChat& turn : turns) total += static_cast<int64_t>(turn.tokens.size());
  const int64_t system_size = system ? static_cast<int64_t>(turns[0].tokens.size()) : 0;
  *least = {false, last};
  for (size_t begin = first; begin <= last && begin < messages.size(); ++begin) {
    const bool may_begin = begin == first || begin == last || messages[begin].role == "user";
    if (may_begin && total <= limit) return Cut{system, begin};
    if (begin == last && total - system_size <= limit) return Cut{false, begin};
    total -= static_cast<int64_t>(turns[begin].tokens.size());
  }
  return std::nullopt;
}

TokenSequence join(const Turns& turns, const Cut& cut) {
  TokenSequence out;
  const auto add = [&](const RenderedChat& turn) {
    out.tokens.insert(out.tokens.end(), turn.tokens.begin(), turn.tokens.end());
    out.is_target.insert(out.is_target.end(), turn.is_target.begin(), turn.is_target.end());
  };
  if (cut.system) add(turns[0]);
  for (size_t i = cut.begin; i < turns.size(); ++i) add(turns[i]);
  return out;
}

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

}  // namespace

Result<TokenSequence> encode_demonstration(const ChatTemplate& chat, const Demonstration& item, int64_t context) {
  const Turns turns = render_turns(chat, item.messages);
  Cut cut;
  if (const auto fits = cut_turns(item.messages, turns, context, &cut)) cut = *fits;
  TokenSequence out = join(turns, cut);
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
                                         : "it has no assistant's turn",
               context);
  }
  return out;
}

Result<std::vector<TokenSequence>> encode_demonstrations(const ChatTemplate& chat, std::span<const Demonstration> items,
                                                         int64_t context) {
  return map_all<TokenSequence>(static_cast<int64_t>(items.size()),
                                [&](int64_t i) { return encode_demonstration(chat, items[i], context); });
}

Result<std::vector<int32_t>> encode_prompt(const ChatTemplate& chat, const Messages& prompt, int64_t limit,
                                           const std::string& id) {
  const Turns turns = render_turns(chat, prompt);
  Cut least;
  const auto cut = cut_turns(prompt, turns, limit - 1, &least);  // one token for <|assistant|>
  if (!cut) {
    return Err("prompt {}: its last turn takes {} tokens, expected at most {}", id,
               join(turns, least).tokens.size() + 1, limit);
  }
  std::vector<int32_t> tokens = join(turns, *cut).tokens;
  tokens.push_back(chat.prompt({}).back());
  return tokens;
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
  const Turns turns = render_turns(chat, item.prompt);
  Cut cut;
  if (const auto fits = cut_turns(item.prompt, turns, context - 1 - static_cast<int64_t>(longest), &cut)) cut = *fits;
  std::vector<int32_t> prompt = join(turns, cut).tokens;
  prompt.push_back(chat.prompt({}).back());
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

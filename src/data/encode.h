// Conversations and comparisons as token sequences that fit a context.
//
// What is too long is cut by one rule everywhere: whole turns go from the left (the system's turn stays as long as it
// can; what is left begins with a user's turn), and only then tokens of a reply from the right. A reply cut so does not
// show <|end|>.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace loquat {

// At most `context` tokens; at least one is a target. An error names the example where its last reply has no room.
Result<TokenSequence> encode_demonstration(const ChatTemplate& chat, const Demonstration& item, int64_t context);
// All of them, on all cores, in their order; the error is the first example's that has one.
Result<std::vector<TokenSequence>> encode_demonstrations(const ChatTemplate& chat, std::span<const Demonstration> items,
                                                         int64_t context);

// Ends with <|assistant|>; at most `limit` tokens. An error where the last user's turn alone is longer: `id` names it.
Result<std::vector<int32_t>> encode_prompt(const ChatTemplate& chat, const Messages& prompt, int64_t limit,
                                           const std::string& id);

// Every response after the same (cut) prompt; is_target marks the response's tokens. The last token is <|end|> unless
// the response was cut.
struct EncodedRanking {
  std::string id;
  std::vector<TokenSequence> responses;
  std::vector<int32_t> rank;  // of each: 0 is best, equal ones are ties
};
Result<EncodedRanking> encode_ranking(const ChatTemplate& chat, const Ranking& item, int64_t context);

}  // namespace loquat

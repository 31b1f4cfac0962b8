#include "tokenizer/splitter.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/check.h"
#include "tokenizer/utf8.h"

namespace loquat {

const std::string kGpt4Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const std::string kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

struct Splitter::Code {
  explicit Code(pcre2_code* c) : code(c) {}
  ~Code() { pcre2_code_free(code); }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  pcre2_code* code;
};

namespace {

constexpr uint32_t kMatchLimit = 1'000'000;
constexpr uint32_t kHeapLimitKilobytes = 64 * 1024;
constexpr size_t kMaxPatternLength = 16 * 1024;

// What one thread needs to match: made once per thread, freed with it.
struct MatchSpace {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(32 * 1024, 4 * 1024 * 1024, nullptr);
  MatchSpace() {
    CHECK(data != nullptr && context != nullptr, "out of memory");
    pcre2_set_match_limit(context, kMatchLimit);
    pcre2_set_heap_limit(context, kHeapLimitKilobytes);
    if (stack != nullptr) pcre2_jit_stack_assign(context, nullptr, stack);
  }
  ~MatchSpace() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    if (stack != nullptr) pcre2_jit_stack_free(stack);
  }
};

MatchSpace& match_space() {
  thread_local MatchSpace space;
  return space;
}

void cut(const pcre2_code* code, std::string_view text, std::vector<std::string_view>& pieces) {
  MatchSpace& space = match_space();
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  const PCRE2_SIZE* found = pcre2_get_ovector_pointer(space.data);
  size_t at = 0;
  while (at < text.size()) {
    constexpr uint32_t kOptions = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
    int rc = pcre2_match(code, subject, text.size(), at, kOptions, space.data, space.context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {  // the interpreter keeps its stack on the heap, which has a larger limit
      rc = pcre2_match(code, subject, text.size(), at, kOptions | PCRE2_NO_JIT, space.data, space.context);
    }
    if (rc < 0 || found[1] <= at || found[0] < at || found[0] > found[1]) {  // no match, or a limit
      pieces.push_back(text.substr(at));
      return;
    }
    if (found[0] > at) pieces.push_back(text.substr(at, found[0] - at));
    if (found[1] > found[0]) pieces.push_back(text.substr(found[0], found[1] - found[0]));
    at = found[1];
  }
}

}  // namespace

Result<Splitter> Splitter::make(std::vector<std::string> patterns) {
  Splitter splitter;
  for (const std::string& pattern : patterns) {
    if (pattern.size() > kMaxPatternLength) {
      return Err("pre-tokenizer pattern of {} bytes: expected at most {}", pattern.size(), kMaxPatternLength);
    }
    if (valid_utf8_prefix(pattern) != pattern.size()) return Err("pre-tokenizer pattern is not UTF-8");
    int code_error = 0;
    PCRE2_SIZE offset = 0;
    pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                     PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code_error, &offset, nullptr);
    if (code == nullptr) {
      unsigned char message[256];
      pcre2_get_error_message(code_error, message, sizeof message);
      return Err("pre-tokenizer pattern, at byte {}: {}: found '{}', expected a regular expression", offset,
                 reinterpret_cast<const char*>(message), pattern);
    }
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where that is not possible, the interpreter gives the same matches
    splitter.codes_.push_back(std::make_shared<const Code>(code));
  }
  splitter.patterns_ = std::move(patterns);
  return splitter;
}

void Splitter::split_valid(std::string_view text, std::vector<std::string_view>& pieces) const {
  if (codes_.empty()) {
    pieces.push_back(text);
    return;
  }
  if (codes_.size() == 1) return cut(codes_[0]->code, text, pieces);
  std::vector<std::string_view> from{text}, to;
  for (const auto& code : codes_) {
    to.clear();
    for (const std::string_view piece : from) cut(code->code, piece, to);
    std::swap(from, to);
  }
  pieces.insert(pieces.end(), from.begin(), from.end());
}

void Splitter::split(std::string_view text, std::vector<std::string_view>& pieces) const {
  while (!text.empty()) {
    const size_t valid = valid_utf8_prefix(text);
    if (valid > 0) split_valid(text.substr(0, valid), pieces);
    if (valid == text.size()) return;
    pieces.push_back(text.substr(valid, 1));
    text.remove_prefix(valid + 1);
  }
}

}  // namespace loquat

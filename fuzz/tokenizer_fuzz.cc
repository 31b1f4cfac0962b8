// Any bytes encode and decode to themselves, never to a control token; any file (tokenizer.json, a SentencePiece model,
// llama2.c's vocabulary) either loads as a tokenizer, which encodes any text to ids of its own, or is refused with a
// message. The first byte chooses what the rest is.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "tokenizer/gguf_vocabulary.h"
#include "tokenizer/tokenizer.h"

namespace {

using loquat::Tokenizer;

const Tokenizer& tokenizer() {
  static const Tokenizer made = [] {
    const std::vector<std::string> texts(
        3, "The ferry leaves at 9, isn't it late?\n\n  naïve 東京 <|end|> \xF0\x9F\x98\x80 12345 the the ferry");
    auto t = Tokenizer::train(texts, {.vocab_size = 340, .special_tokens = loquat::loquat_special_tokens()});
    CHECK(t.ok(), "{}", t.error());
    return *t;
  }();
  return made;
}

void round_trip(const Tokenizer& t, std::string_view text) {
  const auto ids = t.encode(text);
  for (const int32_t id : ids) CHECK(!t.is_special(id));
  CHECK(t.decode(ids) == text);
  CHECK(t.decode(t.encode(text, true)) == text);
}

// may_be_unknown: the file names an unknown token, which may be a special one.
void use(const Tokenizer& t, std::string_view text, bool may_be_unknown) {
  const auto check = [&](const std::vector<int32_t>& ids) {
    for (const int32_t id : ids) CHECK(id >= 0 && id < t.vocab_size());
    (void)t.decode(ids);
    (void)t.decode(ids, true);
  };
  const auto plain = t.encode(text);
  for (const int32_t id : plain) CHECK(may_be_unknown || !t.is_special(id));
  check(plain);
  check(t.encode_with_special(text, true));
}

void load_file(std::string_view bytes, const char* ending) {
  const std::string path =
      std::filesystem::temp_directory_path() / ("loquat-fuzz-" + std::to_string(getpid()) + ending);
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const auto t = Tokenizer::load(path);
  if (t.ok()) {
    const bool unknown = bytes.find("unk") != std::string_view::npos || std::string_view(ending) != ".json";
    use(*t, "Hello <|end|> world 123 \xFF  ▁ab e\xCC\x81 <unk>\n\n ABBA's 東京", unknown);
    use(*t, bytes.substr(0, 300), unknown);
    (void)gguf_from_tokenizer(*t);
  } else {
    CHECK(t.error().find(path) != std::string::npos, "{}", t.error());
  }
  std::filesystem::remove(path);
}

void train_on(std::string_view bytes) {
  const std::vector<std::string> texts{std::string(bytes)};
  const auto t = Tokenizer::train(texts, {.vocab_size = 300, .special_tokens = {"<|end|>"}});
  if (t.ok()) round_trip(*t, bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (static_cast<unsigned>(data[0] - '0') % 5) {
    case 0:
      round_trip(tokenizer(), rest);
      break;
    case 1:
      load_file(rest, ".json");
      break;
    case 2:
      train_on(rest);
      break;
    case 3:
      load_file(rest, ".model");
      break;
    default:
      load_file(rest, ".bin");
  }
  return 0;
}

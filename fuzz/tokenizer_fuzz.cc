// Any bytes encode and decode to themselves, never to a control token; any file either loads as a tokenizer or is
// refused with a message. The first byte chooses what the rest is.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
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

void load_file(std::string_view bytes) {
  static const std::string path =
      std::filesystem::temp_directory_path() / ("loquat-fuzz-" + std::to_string(getpid()) + ".json");
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const auto t = Tokenizer::load(path);
  if (t.ok()) {
    (void)t->decode(t->encode("Hello <|end|> world 123 \xFF", true));
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
  switch (data[0] % 3) {
    case 0:
      round_trip(tokenizer(), rest);
      break;
    case 1:
      load_file(rest);
      break;
    default:
      train_on(rest);
  }
  return 0;
}

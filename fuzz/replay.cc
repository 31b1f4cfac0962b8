// NAME_replay [--runs N] [--seconds S] [--seed N] FILE_OR_FOLDER...: a fuzzer without libFuzzer, for any compiler and
// in the ordinary tests. Runs each file as it is, then N changed ones (the same ones for the same seed), fewer where S
// seconds pass first. An input that ends the program badly, or takes minutes, is written to NAME_replay.crash.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
// Of the sanitizers' runtime, where one is linked: they end a program without a signal.
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace {

using loquat::Rng;

constexpr size_t kLongest = 16384;            // bytes of a changed input
constexpr unsigned kSecondsOfOneInput = 300;  // more is a hang, even with sanitizers on a busy machine

constexpr std::string_view kTokens[] = {"\r\n",
                                        "\r\n\r\n",
                                        "\n",
                                        "\r",
                                        ":",
                                        " ",
                                        "\t",
                                        ",",
                                        "0\r\n\r\n",
                                        "HTTP/1.1",
                                        "HTTP/1.0",
                                        "Content-Length: 5\r\n",
                                        "Content-Length: 18446744073709551616\r\n",
                                        "Transfer-Encoding: chunked\r\n",
                                        "Expect: 100-continue\r\n",
                                        "Connection: close\r\n",
                                        "GET /s HTTP/1.1\r\nHost: a\r\n\r\n",
                                        "ffffffffffffffff\r\n",
                                        "%00",
                                        "%2e%2e%2f",
                                        "../",
                                        "{",
                                        "}",
                                        "[",
                                        "]",
                                        "[[[[[[[[",
                                        "\"",
                                        "\\",
                                        "\\u0000",
                                        "\\ud800",
                                        "null",
                                        "true",
                                        "false",
                                        "{}",
                                        "[]",
                                        "\"\"",
                                        "-1",
                                        "0",
                                        "-0.0",
                                        "1e308",
                                        "1e-400",
                                        "1e999",
                                        "9223372036854775807",
                                        "9223372036854775808",
                                        "-9223372036854775808",
                                        "2147483648",
                                        "18446744073709551615",
                                        "0.1",
                                        "NaN",
                                        "\"stream\":true",
                                        "\"n\":128",
                                        "\"max_tokens\":0",
                                        "\"$ref\":\"#\"",
                                        "\"$defs\":{}",
                                        "\"type\":\"object\"",
                                        "\"type\":[\"null\",\"array\"]",
                                        "\"anyOf\":[",
                                        "\"enum\":[",
                                        "\"required\":[\"a\"]",
                                        "\"additionalProperties\":false",
                                        "\"minItems\":3",
                                        "\"pattern\":\"^a*$\"",
                                        "<|end|>",
                                        "<|endoftext|>",
                                        "\xff",
                                        "\xff\x05",
                                        "\xff\x06",
                                        "\xc3",
                                        "\xc3\xa9",
                                        "\xed\xa0\x80",
                                        "\xf4\x90\x80\x80",
                                        "\xf0\x9f\x98\x80",
                                        "\xef\xbb\xbf",
                                        std::string_view("\0", 1),
                                        std::string_view("\0\0\0\0\0\0\0\x80", 8),
                                        "\xff\xff\xff\xff\xff\xff\xff\x7f"};

std::string current;  // the input being run, for at_death
std::string crash_file;

void at_death() {
  const int fd = ::open(crash_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0) return;
  const bool whole = ::write(fd, current.data(), current.size()) == static_cast<ssize_t>(current.size());
  ::close(fd);
  const std::string_view said = whole ? "\nthe input is in " : "\nthe input, cut short, is in ";
  for (const std::string_view part : {said, std::string_view(crash_file), std::string_view("\n")})
    (void)!::write(STDERR_FILENO, part.data(), part.size());
}

void at_signal(int signal) {
  ::signal(signal, SIG_DFL);
  at_death();
  ::raise(signal);
}

void watch_for_death(std::string_view program) {
  crash_file = std::filesystem::path(program).filename().string() + ".crash";
  const bool sanitized = __sanitizer_set_death_callback != nullptr;
  if (sanitized) __sanitizer_set_death_callback(at_death);
  for (const int signal : {SIGABRT, SIGALRM}) ::signal(signal, at_signal);
  if (sanitized) return;  // it reports the others itself
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) ::signal(signal, at_signal);
}

void run(std::string input) {
  current = std::move(input);
  ::alarm(kSecondsOfOneInput);
  // A copy of just this size: a sanitizer sees a read past its end.
  const std::vector<uint8_t> bytes(current.begin(), current.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

std::string piece_of(const std::string& text, Rng& rng) {
  const size_t at = rng.below(text.size() + 1);
  const size_t most = rng.chance(0.5) ? 16 : text.size();
  return text.substr(at, rng.below(most + 1));
}

void change(std::string& text, const std::vector<std::string>& seeds, Rng& rng) {
  const size_t at = rng.below(text.size() + 1);
  switch (rng.below(10)) {
    case 0:
      if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << rng.below(8)));
      break;
    case 1:
      if (at < text.size()) text[at] = static_cast<char>(rng.below(256));
      break;
    case 2:
      text.erase(at, rng.below(rng.chance(0.5) ? 4 : text.size() + 1));
      break;
    case 3:
      text.insert(at, piece_of(text, rng));
      break;
    case 4: {
      const std::string piece = piece_of(text, rng);
      for (uint64_t n = rng.below(40); n > 0 && text.size() < kLongest; --n) text.insert(at, piece);
      break;
    }
    case 5:
      text.resize(at);
      break;
    case 6: {  // one seed's begin, another's end
      const std::string& other = rng.pick(seeds);
      text = text.substr(0, at) + other.substr(rng.below(other.size() + 1));
      break;
    }
    case 7:
      text.insert(at, piece_of(rng.pick(seeds), rng));
      break;
    case 8:
      text.insert(at, rng.pick(kTokens));
      break;
    default: {
      const std::string_view token = rng.pick(kTokens);
      text.replace(at, std::min(text.size() - at, token.size()), token);
    }
  }
  if (text.size() > kLongest) text.resize(kLongest);
}

// In the order of their names, so that a seed always gives the same inputs.
std::vector<std::string> read_all(const std::vector<std::filesystem::path>& places) {
  std::vector<std::filesystem::path> files;
  for (const auto& place : places) {
    if (!std::filesystem::is_directory(place)) {
      files.push_back(place);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(place)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> texts;
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    if (!in) {
      std::fprintf(stderr, "%s: cannot be read\n", file.c_str());
      std::exit(2);
    }
    texts.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return texts;
}

}  // namespace

int main(int count, char** words) {
  uint64_t runs = 5000, seed = 1;
  double seconds = 4;
  std::vector<std::filesystem::path> places;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    if (word.starts_with("--") && i + 1 == count) {
      std::fprintf(stderr, "%s: nothing after %s\n", words[0], words[i]);
      return 2;
    } else if (word == "--runs") {
      runs = std::strtoull(words[++i], nullptr, 10);
    } else if (word == "--seconds") {
      seconds = std::atof(words[++i]);
    } else if (word == "--seed") {
      seed = std::strtoull(words[++i], nullptr, 10);
    } else {
      places.emplace_back(word);
    }
  }
  const std::vector<std::string> seeds = read_all(places);
  if (seeds.empty()) {
    std::fprintf(stderr, "usage: %s [--runs N] [--seconds S] [--seed N] FILE_OR_FOLDER...\n", words[0]);
    return 2;
  }
  watch_for_death(words[0]);
  for (const std::string& text : seeds) run(text);
  Rng rng(seed);
  uint64_t done = 0;
  const auto begin = std::chrono::steady_clock::now();
  const auto passed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); };
  for (; done < runs && passed() < seconds; ++done) {
    std::string text = rng.pick(seeds);
    for (uint64_t changes = 1 + rng.below(6); changes > 0; --changes) change(text, seeds, rng);
    run(std::move(text));
  }
  std::printf("%zu seeds and %llu changed ones in %.1f s\n", seeds.size(), static_cast<unsigned long long>(done),
              passed());
  return 0;
}

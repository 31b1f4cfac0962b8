#include "store/files.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <thread>

#include "store/test_folder.h"

namespace loquat {
namespace {

std::string gzipped(const std::string& text) {
  z_stream z = {};
  deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, text.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

std::string zstd_packed(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

using Lines = std::vector<std::string>;

Result<Lines> lines_of(const std::string& path) {
  Lines lines;
  TRY_STATUS(for_each_line(path, [&](int64_t number, std::string_view line) -> Status {
    EXPECT_EQ(number, static_cast<int64_t>(lines.size()) + 1);
    lines.emplace_back(line);
    return {};
  }));
  return lines;
}

Lines lines_of_bytes(const std::string& bytes) {
  TestFolder folder;
  put_bytes(folder / "x.txt", bytes);
  auto lines = lines_of(folder / "x.txt");
  EXPECT_TRUE(lines.ok());
  return lines.ok() ? *lines : Lines{};
}

TEST(Files, WriteThenRead) {
  TestFolder folder;
  const std::string path = folder / "a";
  const std::string bytes("a\0b\n", 4);
  ASSERT_TRUE(write_file(path, bytes).ok());
  EXPECT_EQ(*read_file(path), bytes);
  ASSERT_TRUE(write_file(path, "").ok());
  EXPECT_EQ(*read_file(path), "");
  const std::string large(3'000'001, 'x');
  ASSERT_TRUE(write_file(path, large).ok());
  EXPECT_EQ(*read_file(path), large);
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(Files, ErrorsNameTheFileAndTheReason) {
  TestFolder folder;
  EXPECT_EQ(read_file(folder / "none").error(), (folder / "none") + ": cannot read: No such file or directory");
  EXPECT_EQ(read_file(folder.path()).error(), folder.path() + ": cannot read: Is a directory");
  EXPECT_EQ(write_file(folder / "no/file", "x").error(),
            (folder / "no/file") + ": cannot create: No such file or directory");
  EXPECT_EQ(write_file(folder.path(), "x").error(), folder.path() + ": cannot create: it is a folder");
  EXPECT_FALSE(write_file("", "x").ok());
  EXPECT_FALSE(MappedFile::open(folder / "none").ok());
  EXPECT_FALSE(MappedFile::open(folder.path()).ok());
  put_bytes(folder / "file", "x");
  EXPECT_FALSE(make_folders(folder / "file").ok());
  EXPECT_FALSE(make_folders(folder / "file/below").ok());
  ASSERT_TRUE(make_folders(folder / "a/b/c").ok());
  ASSERT_TRUE(make_folders(folder / "a/b/c").ok());
  EXPECT_TRUE(file_exists(folder / "a/b/c"));
}

TEST(Files, AFullDeviceIsReported) {
  if (!file_exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  const Status status = write_file("/dev/full", "x");
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().find("No space left on device"), std::string::npos) << status.error();
  EXPECT_NE(status.error().find("free some space"), std::string::npos) << status.error();
}

TEST(Files, AFullDiskKeepsTheFileBefore) {
  TestFolder folder;
  const std::string path = folder / "a";
  ASSERT_TRUE(write_file(path, "before").ok());
  {
    FileSizeLimit full(1 << 20);
    const Status status = write_file(path, std::string(2 << 20, 'x'));
    ASSERT_FALSE(status.ok());
    EXPECT_NE(status.error().find(path + ": cannot write: File too large"), std::string::npos) << status.error();
  }
  EXPECT_EQ(*read_file(path), "before");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(Files, WithoutCommitNothingChanges) {
  TestFolder folder;
  const std::string path = folder / "model.safetensors";
  ASSERT_TRUE(write_file(path, "before").ok());
  {
    auto file = AtomicFile::open(path);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->write("after", 5).ok());
    EXPECT_TRUE(file_exists(folder / ".tmp-model.safetensors"));
    AtomicFile moved = *std::move(file);
    ASSERT_TRUE(moved.write("!", 1).ok());
    EXPECT_EQ(*read_file(path), "before");
  }
  EXPECT_EQ(*read_file(path), "before");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(Files, WhatAKilledRunLeftIsOverwritten) {
  TestFolder folder;
  put_bytes(folder / ".tmp-a", std::string(10000, 'x'));
  ASSERT_TRUE(write_file(folder / "a", "new").ok());
  EXPECT_EQ(*read_file(folder / "a"), "new");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(Files, WritersOfOneFileWaitForEachOther) {
  TestFolder folder;
  const std::string path = folder / "a";
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) EXPECT_TRUE(write_file(path, std::string(5000, static_cast<char>('a' + t))).ok());
    });
  }
  for (int i = 0; i < 200; ++i) {
    auto bytes = read_file(path);
    if (bytes.ok()) {
      EXPECT_EQ(*bytes, std::string(5000, (*bytes)[0]));
    }
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(read_file(path)->size(), 5000u);
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(Files, AMapOutlivesTheFilesReplacement) {
  TestFolder folder;
  ASSERT_TRUE(write_file(folder / "a", "before").ok());
  auto map = MappedFile::open(folder / "a");
  ASSERT_TRUE(map.ok());
  ASSERT_TRUE(write_file(folder / "a", "after, and longer").ok());
  MappedFile moved = *std::move(map);
  EXPECT_EQ(std::string(moved.bytes().begin(), moved.bytes().end()), "before");
  ASSERT_TRUE(write_file(folder / "empty", "").ok());
  EXPECT_TRUE(MappedFile::open(folder / "empty")->bytes().empty());
}

TEST(Lines, EndsOfLines) {
  EXPECT_EQ(lines_of_bytes(""), Lines{});
  EXPECT_EQ(lines_of_bytes("\n"), Lines{""});
  EXPECT_EQ(lines_of_bytes("a"), Lines{"a"});
  EXPECT_EQ(lines_of_bytes("a\nb\n"), (Lines{"a", "b"}));
  EXPECT_EQ(lines_of_bytes("a\r\n\r\nb"), (Lines{"a", "", "b"}));
  EXPECT_EQ(lines_of_bytes("\xef\xbb\xbf"
                           "a\n\xef\xbb\xbf"),
            (Lines{"a", "\xef\xbb\xbf"}));
}

TEST(Lines, PlainAndPackedAreTheSame) {
  TestFolder folder;
  std::string text;
  Lines expected;
  for (int i = 0; i < 20000; ++i) {
    expected.push_back(std::string(static_cast<size_t>(i) % 97, 'x') + std::to_string(i));
    text += expected.back() + "\n";
  }
  expected.push_back(std::string(1'000'000, 'y'));  // longer than a chunk
  text += expected.back();
  put_bytes(folder / "a.jsonl", text);
  put_bytes(folder / "a.jsonl.gz", gzipped(text.substr(0, 70000)) + gzipped(text.substr(70000)));
  put_bytes(folder / "a.jsonl.zst", zstd_packed(text.substr(0, 70000)) + zstd_packed(text.substr(70000)));
  put_bytes(folder / "misnamed.txt", gzipped(text));
  for (const char* name : {"a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "misnamed.txt"}) {
    auto lines = lines_of(folder / name);
    ASSERT_TRUE(lines.ok()) << lines.error();
    EXPECT_EQ(*lines, expected) << name;
  }
}

TEST(Lines, CutOrDamagedFilesAreErrors) {
  TestFolder folder;
  std::string text;
  for (int i = 0; i < 5000; ++i) text += std::to_string(i * 7919) + "\n";
  const std::string gz = gzipped(text), zst = zstd_packed(text);
  put_bytes(folder / "cut.gz", gz.substr(0, gz.size() / 2));
  put_bytes(folder / "cut.zst", zst.substr(0, zst.size() / 2));
  std::string bad = gz;
  bad[gz.size() / 2] ^= 0x55;
  put_bytes(folder / "bad.gz", bad);
  bad = zst;
  bad[4] ^= 0x08;  // a reserved bit of the frame header
  put_bytes(folder / "bad.zst", bad);
  put_bytes(folder / "text.gz", "plain");
  put_bytes(folder / "text.zst", "plain");
  put_bytes(folder / "empty.gz", "");
  for (const char* name : {"cut.gz", "cut.zst", "bad.gz", "bad.zst", "text.gz", "text.zst", "empty.gz", "none"}) {
    auto lines = lines_of(folder / name);
    ASSERT_FALSE(lines.ok()) << name;
    EXPECT_EQ(lines.error().find((folder / name) + ": "), 0u) << lines.error();
  }
}

TEST(Lines, AnErrorOfTheCallerStops) {
  TestFolder folder;
  put_bytes(folder / "a", "1\n2\n3\n");
  int calls = 0;
  const Status status = for_each_line(folder / "a", [&](int64_t number, std::string_view) -> Status {
    ++calls;
    if (number == 2) return Err("line {}: enough", number);
    return {};
  });
  EXPECT_EQ(status.error(), "line 2: enough");
  EXPECT_EQ(calls, 2);
}

TEST(Utf8, WhatIsValid) {
  for (const char* good : {"", "a", "ä", "€", "𝄞", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\xee\x80\x80"})
    EXPECT_TRUE(is_utf8(good)) << good;
  for (const char* bad : {"\x80", "\xc3", "\xc0\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x82", "\xf0\x9d\x84"}) {
    size_t at = 99;
    EXPECT_FALSE(is_utf8(std::string("ok") + bad, &at));
    EXPECT_EQ(at, 2u);
  }
}

TEST(Sha256, ThePublishedExamples) {  // FIPS 180-4's examples, as published by NIST
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, OfAFile) {
  TestFolder folder;
  put_bytes(folder / "a", "abc");
  EXPECT_EQ(*sha256_of_file(folder / "a"), sha256_hex("abc"));
  EXPECT_FALSE(sha256_of_file(folder / "none").ok());
}

}  // namespace
}  // namespace loquat

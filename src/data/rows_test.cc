#include "data/rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <nlohmann/json.hpp>

#include "data/csv.h"
#include "store/bytes.h"
#include "store/test_folder.h"

namespace loquat {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class RowsTest : public testing::Test {
 protected:
  std::string file(const std::string& bytes, const std::string& name) {
    put_bytes(folder_ / name, bytes);
    return folder_ / name;
  }
  std::string gzip(const std::string& bytes, const std::string& name) {
    const std::string path = folder_ / name;
    gzFile out = gzopen(path.c_str(), "wb9");
    EXPECT_EQ(gzwrite(out, bytes.data(), static_cast<unsigned>(bytes.size())), static_cast<int>(bytes.size()));
    gzclose(out);
    return path;
  }
  // All rows and where they stand, or the error.
  std::string rows(const std::string& path, const std::string& list = "") {
    std::string out;
    const Status status = for_each_row(
        path, list,
        [&](const RowPlace& place, json& row) -> Status {
          out += place.id(path) + " " + row.dump() + "\n";
          return {};
        },
        &about_);
    return status.ok() ? out : status.error();
  }
  std::string bytes_of(const std::string& path) {
    std::string out;
    FILE* in = std::fopen(path.c_str(), "rb");
    for (int c; (c = std::fgetc(in)) != EOF;) out += static_cast<char>(c);
    std::fclose(in);
    return out;
  }
  TestFolder folder_;
  RowFile about_;
};

TEST_F(RowsTest, TheSameRowsFromEveryContainer) {
  const std::string lines = "{\"a\":\"x\",\"b\":\"y, \\\"z\\\"\\n2\"}\n\n{\"a\":\"\",\"b\":\"é\"}\n";
  const std::string list = "[\n {\"a\": \"x\", \"b\": \"y, \\\"z\\\"\\n2\"},\n {\"b\": \"é\", \"a\": \"\"}\n]\n";
  const std::string csv = "a,b\r\nx,\"y, \"\"z\"\"\n2\"\r\n\r\n,é\r\n";
  const std::string first = R"({"a":"x","b":"y, \"z\"\n2"})", second = R"({"a":"","b":"é"})";
  EXPECT_EQ(rows(file(lines, "d.jsonl")), "d.jsonl:1 " + first + "\nd.jsonl:3 " + second + "\n");
  EXPECT_EQ(rows(file(list, "d.json")), "d.json[0] " + first + "\nd.json[1] " + second + "\n");
  EXPECT_EQ(rows(file(csv, "d.csv")), "d.csv:2 " + first + "\nd.csv:5 " + second + "\n");
  EXPECT_EQ(describe(about_), "CSV (commas, 2 columns)");
  for (const char separator : {';', '\t'}) {
    std::string other = csv;
    std::replace(other.begin(), other.begin() + 7, ',', separator);
    other[other.rfind(',')] = separator;
    EXPECT_EQ(rows(file(other, "e.csv")), "e.csv:2 " + first + "\ne.csv:5 " + second + "\n");
    EXPECT_EQ(about_.separator, separator);
  }
  EXPECT_EQ(rows(file("\xEF\xBB\xBF" + csv, "m.csv")), "m.csv:2 " + first + "\nm.csv:5 " + second + "\n");
  EXPECT_EQ(rows(gzip(csv, "p.csv.gz")), "p.csv.gz:2 " + first + "\np.csv.gz:5 " + second + "\n");
  EXPECT_EQ(rows(gzip(list, "p.json.gz")), "p.json.gz[0] " + first + "\np.json.gz[1] " + second + "\n");
  std::string packed(ZSTD_compressBound(list.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), list.data(), list.size(), 3));
  EXPECT_EQ(rows(file(packed, "p.json.zst")), "p.json.zst[0] " + first + "\np.json.zst[1] " + second + "\n");
}

TEST_F(RowsTest, ListsOfJson) {
  const std::string row = R"({"text": "x"})", shown = R"({"text":"x"})";
  EXPECT_EQ(rows(file("{\"version\": 1.5, \"data\": [" + row + "], \"by\": [\"me\"]}", "d.json")),
            "d.json[0] " + shown + "\n");
  EXPECT_EQ(describe(about_), "JSON (the list \"data\")");
  const std::string two = file("{\"train\": [" + row + "], \"test\": [" + row + "," + row + "]}", "t.json");
  EXPECT_THAT(rows(two), HasSubstr("found several lists, \"train\", \"test\": say which"));
  EXPECT_EQ(rows(two, "train"), "t.json[0] " + shown + "\n");
  EXPECT_EQ(rows(two, "test"), "t.json[0] " + shown + "\nt.json[1] " + shown + "\n");
  EXPECT_THAT(rows(two, "dev"), HasSubstr("found no list \"dev\"; there is \"train\", \"test\""));
  EXPECT_THAT(rows(file("{\"a\": {\"b\": 1}}", "o.json")), HasSubstr("an object without a list of rows"));
  // One row, lines under another name, a list under another name.
  EXPECT_EQ(rows(file("{\"messages\": [{\"role\": \"user\"}]}", "r.json")),
            "r.json:1 {\"messages\":[{\"role\":\"user\"}]}\n");
  EXPECT_EQ(rows(file(row + "\n" + row + "\n", "l.json")), "l.json:1 " + shown + "\nl.json:2 " + shown + "\n");
  EXPECT_EQ(rows(file("\n [" + row + "]", "l.jsonl")), "l.jsonl[0] " + shown + "\n");
  EXPECT_EQ(rows(file("[]", "n.json")), "");
  EXPECT_THAT(rows(file(row, "x.jsonl"), "train"), HasSubstr("only a JSON object has lists by name"));
}

TEST_F(RowsTest, TextsArePartedWhereDocumentsEnd) {
  EXPECT_EQ(rows(file("one\n\ntwo\r\n", "a.md")), "a.md:1 {\"text\":\"one\\n\\ntwo\\r\\n\"}\n");
  EXPECT_EQ(rows(file("one\n<|endoftext|>\n\n<|endoftext|>\ntwo <|endoftext|>\nthree\n<|endoftext|>", "a.txt")),
            "a.txt:1 {\"text\":\"one\\n\"}\na.txt:5 {\"text\":\"two <|endoftext|>\\nthree\\n\"}\n");
}

TEST_F(RowsTest, SaysWhatIsWrongWithJson) {
  EXPECT_THAT(rows(file("[{\"a\": 1},\n {\"a\": ", "c.json")),
              AllOf(HasSubstr("c.json[1]: "), HasSubstr("value that begins on line 2"), HasSubstr("cut off")));
  EXPECT_THAT(rows(file("[{\"a\": 1},\n {\"a\": 2}\n", "c.json")),
              HasSubstr("begins on line 1 is cut off after 2 rows"));
  EXPECT_THAT(rows(file("{\"data\": [{\"a\": 1}", "c.json")), HasSubstr("cut off"));
  EXPECT_THAT(rows(file("[{\"a\": \"x", "c.json")), HasSubstr("cut off"));
  EXPECT_THAT(rows(file("[{\"a\": 1}\n{\"a\": 2}]", "c.json")),
              HasSubstr("c.json[0]: line 2: found '{', expected \",\" or \"]\""));
  EXPECT_THAT(rows(file("[{\"a\": 1},\n{\"a\" 2}]", "c.json")),
              AllOf(HasSubstr("c.json[1]: line 2: "), HasSubstr("not JSON")));
  EXPECT_THAT(rows(file("[1, 2]", "c.json")),
              HasSubstr("c.json[0]: line 1: the line: found 1, expected a JSON object"));
  EXPECT_THAT(rows(file("[{}] x", "c.json")), HasSubstr("found 'x' after the list's end"));
  EXPECT_THAT(rows(file("hello", "c.json")), HasSubstr("c.json: line 1: found no list and no object"));
  EXPECT_THAT(rows(file("[" + std::string(10'000, '[') + std::string(10'000, ']') + "]", "deep.json")),
              HasSubstr("deep.json[0]: line 1: nested too deep"));
  EXPECT_THAT(rows(file("[{\"a\": " + std::string(10'000, '[') + std::string(10'000, ']') + "}]", "deep.json")),
              HasSubstr("nested too deep"));
  EXPECT_THAT(rows(file(std::string(10'000, '{'), "deep.jsonl")), HasSubstr("line 1: nested too deep"));
  EXPECT_THAT(rows(file(std::string("{\"a\": \"\0\"}", 10), "nul.jsonl")),
              AllOf(HasSubstr("line 1"), HasSubstr("NUL")));
  EXPECT_EQ(rows(file("", "empty.json")), "");
  EXPECT_EQ(rows(file("", "empty.csv")), "");
}

TEST_F(RowsTest, SaysWhatIsWrongWithCsv) {
  EXPECT_THAT(rows(file("a,b\n1,2\n\n1,2,3\n", "c.csv")), HasSubstr("c.csv: line 4: found 3 fields, expected 2"));
  EXPECT_THAT(rows(file("a,b\n1\n", "c.csv")), HasSubstr("line 2: found 1 fields, expected 2"));
  EXPECT_THAT(rows(file("a,b\n1,\"x\n\ny,2\n", "c.csv")),
              HasSubstr("c.csv: line 2: a quote is opened and never closed"));
  EXPECT_THAT(rows(file("a,b\n1,\"x\"y\n", "c.csv")), HasSubstr("line 2: found 'y' after a closing quote"));
  EXPECT_THAT(rows(file("a,a\n1,2\n", "c.csv")), HasSubstr("the header names \"a\" twice"));
  EXPECT_THAT(rows(file("a,\n1,2\n", "c.csv")), HasSubstr("the header's column 2 has no name"));
  EXPECT_THAT(rows(file(std::string("a,b\n1,\0\n", 8), "c.csv")), HasSubstr("line 2: found a NUL byte"));
  EXPECT_THAT(rows(file("a,b\r1,2\r", "c.csv")), HasSubstr("line 1: found a carriage return within a line"));
  EXPECT_THAT(rows(file("a,b\n1,caf\xE9\n", "c.csv")),
              AllOf(HasSubstr("line 2: not UTF-8: found byte 0xE9"), HasSubstr("Latin-1")));
  EXPECT_EQ(rows(file(",a\n0,x\n", "i.csv")), "i.csv:2 {\"a\":\"x\"}\n");  // row numbers without a name
  EXPECT_EQ(rows(file("a\nx \"y\" z\n", "i.csv")), "i.csv:2 {\"a\":\"x \\\"y\\\" z\"}\n");
}

TEST_F(RowsTest, NamesOtherEncodings) {
  std::string utf16 = "\xFF\xFE", plain;
  for (const char c : std::string("{\"text\": \"x\"}\n")) (utf16 += c) += '\0';
  plain = utf16.substr(2);
  for (const std::string& bytes : {utf16, plain})
    for (const char* name : {"a.jsonl", "a.csv", "a.txt", "a.json"})
      EXPECT_THAT(rows(file(bytes, name)),
                  AllOf(HasSubstr(name), testing::AnyOf(HasSubstr("UTF-16"), HasSubstr("NUL"))));
  EXPECT_THAT(rows(file(utf16, "a.jsonl")), HasSubstr("this is UTF-16 or UTF-32, expected UTF-8: convert it"));
  EXPECT_THAT(rows(file("{\"text\": \"na\xEFve\"}\n", "a.jsonl")), HasSubstr("it may be Latin-1 or Windows-1252"));
  EXPECT_THAT(rows(file("{\"text\": \"\xE6\x9D\"}\n", "a.jsonl")), testing::Not(HasSubstr("Latin")));
}

TEST_F(RowsTest, PackedFilesThatAreCutOrGrowWithoutMeasure) {
  const std::string whole = bytes_of(gzip("a,b\n" + std::string(50'000, '1') + ",2\n", "w.csv.gz"));
  EXPECT_THAT(rows(file(whole.substr(0, whole.size() - 9), "cut.csv.gz")),
              AllOf(HasSubstr("cut.csv.gz"), HasSubstr("damaged or cut gzip data")));
  EXPECT_THAT(rows(file(whole.substr(0, whole.size() - 9), "cut.json.gz")), HasSubstr("damaged or cut gzip data"));
  EXPECT_THAT(rows(file("hello", "lie.csv.gz")), HasSubstr("the name says gzip"));
  // 300 MiB of nothing in a third of a MiB.
  const std::string path = folder_ / "bomb.jsonl.gz";
  gzFile out = gzopen(path.c_str(), "wb9");
  const std::string blank(1 << 20, ' ');
  for (int i = 0; i < 300; ++i) gzwrite(out, blank.data(), static_cast<unsigned>(blank.size()));
  gzclose(out);
  const auto source = open_bytes(path);
  ASSERT_TRUE(source.ok());
  std::string buffer(1 << 20, '\0');
  Result<size_t> n = size_t{1};
  while (n.ok() && *n > 0) n = (*source)->read(buffer.data(), buffer.size());
  ASSERT_FALSE(n.ok());
  EXPECT_THAT(n.error(), HasSubstr("bomb.jsonl.gz: unpacks to more than 500 times"));
}

TEST(CsvReader, PiecesDoNotMatter) {
  const std::string text = "a;b\r\n\"x;\"\"\r\n\";1\r\n;\"\"\n2;3";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    std::vector<std::string> got;
    CsvReader reader([&](int64_t line, std::vector<std::string>& fields) -> Status {
      for (const auto& field : fields) got.push_back(fmt::format("{}:{}", line, field));
      return {};
    });
    for (size_t at = 0; at < text.size(); at += piece)
      ASSERT_TRUE(reader.feed(std::string_view(text).substr(at, piece)).ok());
    ASSERT_TRUE(reader.finish().ok());
    EXPECT_THAT(got, ElementsAre("1:a", "1:b", "2:x;\"\r\n", "2:1", "4:", "4:", "5:2", "5:3")) << piece;
  }
}

}  // namespace
}  // namespace loquat

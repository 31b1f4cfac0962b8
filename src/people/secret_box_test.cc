// What is sealed is opened by its secret and for its purpose alone; the secret's file.
#include "people/secret_box.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

namespace loquat::people {
namespace {

using testing::HasSubstr;

const std::string kSecret(32, 's');

TEST(SecretBox, OpensWhatItSealed) {
  const auto box = SecretBox::of_secret(kSecret), other = SecretBox::of_secret(kSecret + "x");
  ASSERT_TRUE(box.ok() && other.ok());
  for (const std::string& text :
       {std::string(), std::string("sk-1"), std::string("茶\0!", 5), std::string(5000, 'k')}) {
    const std::string sealed = box->seal(text, "a");
    EXPECT_TRUE(is_sealed(sealed));
    EXPECT_NE(sealed, box->seal(text, "a")) << "two seals of one text tell that it is one";
    EXPECT_EQ(box->open(sealed, "a"), text);
    EXPECT_EQ(box->open(sealed, "b"), std::nullopt);
    EXPECT_EQ(other->open(sealed, "a"), std::nullopt);
    for (const size_t at : {size_t{0}, size_t{8}, sealed.size() / 2, sealed.size() - 2}) {
      std::string changed = sealed;
      changed[at] = changed[at] == 'A' ? 'B' : 'A';
      EXPECT_EQ(box->open(changed, "a"), std::nullopt) << at;
    }
    EXPECT_EQ(box->open(sealed.substr(0, sealed.size() / 2), "a"), std::nullopt);
  }
  EXPECT_EQ(box->open("sealed1.", "a"), std::nullopt);
  EXPECT_EQ(box->open("sk-1", "a"), std::nullopt);
  EXPECT_FALSE(SecretBox::of_secret(kSecret.substr(1)).ok());
}

class SecretFile : public testing::Test {
 protected:
  SecretFile() {
    char pattern[] = "/tmp/loquat-secret-XXXXXX";
    folder_ = ::mkdtemp(pattern);
    path_ = folder_ + "/secret";
  }
  ~SecretFile() override { std::filesystem::remove_all(folder_); }
  std::string folder_, path_;
};

TEST_F(SecretFile, IsMadeOnceByWhoeverComesFirst) {
  std::vector<std::thread> threads;
  std::vector<std::string> got(8);
  for (size_t i = 0; i < got.size(); ++i) {
    threads.emplace_back([&, i] {
      const auto secret = read_or_make_secret_file(path_);
      got[i] = secret.ok() ? *secret : "error: " + secret.error();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::string>(got.begin(), got.end()).size(), 1u);
  EXPECT_EQ(got[0].size(), 43u) << got[0];
  EXPECT_EQ(read_secret_file(path_).ok() ? *read_secret_file(path_) : "", got[0]);
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_)) ++files;
  EXPECT_EQ(files, 1u) << "something was left";
}

TEST_F(SecretFile, WhatCannotBeUsedIsSaid) {
  EXPECT_THAT(read_secret_file(path_).error(), HasSubstr("No such file"));
  std::ofstream(path_) << kSecret << "\r\nmore\n";
  ASSERT_EQ(::chmod(path_.c_str(), 0640), 0);
  EXPECT_THAT(read_secret_file(path_).error(), HasSubstr("chmod 600"));
  ASSERT_EQ(::chmod(path_.c_str(), 0400), 0);
  EXPECT_EQ(*read_secret_file(path_), kSecret);
  std::ofstream(folder_ + "/short") << "short\n";
  ASSERT_EQ(::chmod((folder_ + "/short").c_str(), 0600), 0);
  EXPECT_THAT(read_secret_file(folder_ + "/short").error(), HasSubstr("at least 32"));
  EXPECT_FALSE(read_or_make_secret_file(folder_ + "/nowhere/secret").ok());
}

}  // namespace
}  // namespace loquat::people

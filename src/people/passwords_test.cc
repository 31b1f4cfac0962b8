// Argon2id: what it makes, that at most two run at once, and that the line is bounded.
#include "people/passwords.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sodium.h>

#include <atomic>
#include <future>

namespace loquat::people {
namespace {

using testing::StartsWith;

TEST(Passwords, KnowTheirOwn) {
  Passwords passwords(kCheapForTests);
  const std::string hash = *passwords.hash("correct horse battery");
  EXPECT_THAT(hash, StartsWith("$argon2id$v=19$m=8,t=1,p=1$"));
  EXPECT_NE(hash, *passwords.hash("correct horse battery"));  // salted
  EXPECT_TRUE(passwords.verify(hash, "correct horse battery"));
  EXPECT_FALSE(passwords.verify(hash, "correct horse batterz"));
  EXPECT_FALSE(passwords.verify(hash, std::string("correct horse battery\0", 22)));
  for (const std::string& broken : {std::string("x"), std::string("$argon2id$"), hash.substr(0, 40), hash + hash})
    EXPECT_FALSE(passwords.verify(broken, "correct horse battery")) << broken;
}

// What nobody's password costs is what a real one costs: libsodium takes it for a hash of the same passes and memory.
TEST(Passwords, NobodysIsComputedToo) {
  const PasswordCost cost;
  Passwords passwords;  // at its real cost
  const std::string hash = *passwords.hash("correct horse battery");
  EXPECT_THAT(hash, StartsWith("$argon2id$v=19$m=65536,t=3,p=1$"));
  EXPECT_THAT(passwords.nobodys(), StartsWith("$argon2id$v=19$m=65536,t=3,p=1$"));
  EXPECT_EQ(passwords.nobodys().size(), hash.size());
  EXPECT_EQ(crypto_pwhash_str_needs_rehash(passwords.nobodys().c_str(), cost.passes, cost.bytes), 0);
  EXPECT_FALSE(passwords.verify("", "correct horse battery"));
  EXPECT_NE(passwords.nobodys(), Passwords(kCheapForTests).nobodys());
}

TEST(Passwords, TwoAtOnceAndABoundedLine) {
  Passwords passwords(kCheapForTests, 3);
  std::promise<void> open;
  const std::shared_future<void> opened = open.get_future().share();
  std::atomic<int> running{0}, most{0}, done{0};
  const auto job = [&, opened] {
    int seen = ++running;
    for (int old = most; seen > old && !most.compare_exchange_weak(old, seen);) {
    }
    opened.wait();
    --running;
    ++done;
  };
  ASSERT_TRUE(passwords.add(job));
  ASSERT_TRUE(passwords.add(job));
  while (running < 2) std::this_thread::yield();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(passwords.add(job));
  EXPECT_FALSE(passwords.add(job));
  open.set_value();
  while (done < 5) std::this_thread::yield();
  EXPECT_EQ(most, 2);
}

TEST(Passwords, TheEndDropsThoseWhoWait) {
  std::atomic<int> done{0};
  std::promise<void> open;
  {
    auto passwords = std::make_unique<Passwords>(kCheapForTests);
    std::atomic<int> running{0};
    const std::shared_future<void> opened = open.get_future().share();
    for (int i = 0; i < 2; ++i) {
      passwords->add([&, opened] {
        ++running;
        opened.wait();
        ++done;
      });
    }
    while (running < 2) std::this_thread::yield();
    for (int i = 0; i < 10; ++i) passwords->add([&] { ++done; });
    std::thread end([&] { passwords.reset(); });
    open.set_value();
    end.join();
  }
  EXPECT_GE(done, 2);
}

}  // namespace
}  // namespace loquat::people

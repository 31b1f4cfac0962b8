// Accounts, invitations, sessions, settings and the audit log, on both engines.
#include "people/accounts.h"

#include <gmock/gmock.h>

#include <set>
#include <thread>

#include "people/audit.h"
#include "people/secrets.h"
#include "people/settings.h"
#include "people/tables_for_tests.h"

namespace loquat::people {
namespace {

using testing::HasSubstr;
using testing::Not;
using Refusal = Accounts::Refusal;

class AccountsTest : public OnBoth {};
INSTANTIATE_TEST_SUITE_P(Engines, AccountsTest, testing::Values("sqlite", "postgres"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(AccountsTest, AnInvitationIsGoodForOneAccount) {
  EXPECT_FALSE(*accounts_->has_any());
  const auto made = invite(kLabeler | kReviewer);
  EXPECT_TRUE(*accounts_->has_any());
  const auto first = accounts_->join(made.token, "ada@example.org", "Ada", "hash");
  ASSERT_TRUE(first.ok()) << first.error();
  ASSERT_EQ(first->refusal, Refusal::kNone);
  EXPECT_EQ(first->value.roles, unsigned{kLabeler | kReviewer});
  EXPECT_EQ(accounts_->join(made.token, "bob@example.org", "Bob", "hash")->refusal, Refusal::kInvitation);
  const auto found = *accounts_->by_email("ada@example.org");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->person.name, "Ada");
  EXPECT_EQ(found->password, "hash");
  EXPECT_EQ((*accounts_->by_id(found->person.id))->person.email, "ada@example.org");
  EXPECT_EQ(invitations_->list()->at(0).used_by, found->person.id);
  EXPECT_FALSE(*accounts_->by_email("bob@example.org"));
}

TEST_P(AccountsTest, WhatMakesAnInvitationUseless) {
  const auto usable = [&](const std::string& token, const std::string& email) {
    return *invitations_->usable(token, email);
  };
  const auto bound = invite(kUser, "ada@example.org"), open = invite(kUser), gone = invite(kUser);
  EXPECT_TRUE(usable(bound.token, "ada@example.org"));
  EXPECT_FALSE(usable(bound.token, "bob@example.org"));
  EXPECT_EQ(accounts_->join(bound.token, "bob@example.org", "Bob", "h")->refusal, Refusal::kInvitation);
  EXPECT_TRUE(*invitations_->remove(gone.invitation.id));
  EXPECT_FALSE(*invitations_->remove(gone.invitation.id));
  EXPECT_EQ(accounts_->join(gone.token, "bob@example.org", "Bob", "h")->refusal, Refusal::kInvitation);
  for (const std::string& wrong : {std::string(), open.invitation.id, random_token(), open.token + "a",
                                   open.token.substr(0, 42), std::string(43, '%'), std::string(43, '\0')}) {
    EXPECT_FALSE(usable(wrong, "bob@example.org"));
    EXPECT_EQ(accounts_->join(wrong, "bob@example.org", "Bob", "h")->refusal, Refusal::kInvitation);
  }
  clock_.pass(7 * kDay - 1);
  EXPECT_TRUE(usable(open.token, "x@example.org"));
  clock_.pass(1);
  EXPECT_FALSE(usable(open.token, "x@example.org"));
  EXPECT_EQ(accounts_->join(open.token, "x@example.org", "X", "h")->refusal, Refusal::kInvitation);
  EXPECT_FALSE(*accounts_->has_any());
  EXPECT_FALSE(invitations_->make({.roles = kUser}, 0).ok());
  EXPECT_FALSE(invitations_->make({.roles = kUser}, 366).ok());
  EXPECT_FALSE(invitations_->make({}, 7).ok());
}

TEST_P(AccountsTest, ATakenAddressLeavesTheInvitation) {
  join(kAdmin, "ada@example.org");
  const auto made = invite(kUser);
  EXPECT_EQ(accounts_->join(made.token, "ada@example.org", "Other", "h")->refusal, Refusal::kEmail);
  EXPECT_EQ((*accounts_->by_email("ada@example.org"))->person.name, "Somebody");
  EXPECT_EQ(accounts_->join(made.token, "bob@example.org", "Bob", "h")->refusal, Refusal::kNone);
}

TEST_P(AccountsTest, ManyAtOnceGetOneAccountOfOneInvitation) {
  const auto made = invite(kUser);
  std::atomic<int> joined{0}, refused{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      const auto result = accounts_->join(made.token, fmt::format("p{}@example.org", i), "P", "h");
      if (result.ok() && result->refusal == Refusal::kNone) ++joined;
      if (result.ok() && result->refusal == Refusal::kInvitation) ++refused;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(joined, 1);
  EXPECT_EQ(refused, 5);
  EXPECT_EQ(accounts_->list()->size(), 1u);
}

TEST_P(AccountsTest, TheDatabaseHoldsNoTokens) {
  const auto made = invite(kUser);
  const Person ada = join(kUser, "ada@example.org");
  const std::string session = *sessions_->start(ada.id);
  const auto invitations = database_->run("SELECT hash FROM people_invitations");
  for (const auto& row : invitations->rows) EXPECT_NE(row.text(0), made.token);
  EXPECT_EQ(database_->run("SELECT hash FROM people_sessions")->rows.at(0).text(0), token_hash(session));
  EXPECT_NE(token_hash(session), session);
}

TEST_P(AccountsTest, SessionsEndByTheirTimes) {
  const Person ada = join(kUser, "ada@example.org");
  const std::string idle = *sessions_->start(ada.id);
  EXPECT_EQ(sessions_->find(idle)->id, ada.id);
  clock_.pass(Sessions::kIdle - 1);
  EXPECT_TRUE(sessions_->find(idle)->signed_in());  // and used: its idle time begins anew
  for (int i = 0; i < 3; ++i) {
    clock_.pass(Sessions::kIdle - 1);
    EXPECT_TRUE(sessions_->find(idle)->signed_in()) << i;
  }
  clock_.pass(3 * kDay);  // beyond the longest, though it was used
  EXPECT_FALSE(sessions_->find(idle)->signed_in());
  const std::string fresh = *sessions_->start(ada.id);
  EXPECT_EQ(database_->run("SELECT hash FROM people_sessions")->rows.size(), 1u);  // the old one went
  clock_.pass(Sessions::kIdle);
  EXPECT_FALSE(sessions_->find(fresh)->signed_in());
}

TEST_P(AccountsTest, SessionsEndWhenTheyAreEnded) {
  const Person ada = join(kAdmin, "ada@example.org"), bob = join(kUser, "bob@example.org");
  const std::string one = *sessions_->start(bob.id), two = *sessions_->start(bob.id), three = *sessions_->start(bob.id);
  ASSERT_TRUE(sessions_->end(one).ok());
  EXPECT_FALSE(sessions_->find(one)->signed_in());
  ASSERT_TRUE(sessions_->end_all(bob.id, two).ok());
  EXPECT_TRUE(sessions_->find(two)->signed_in());
  EXPECT_FALSE(sessions_->find(three)->signed_in());
  ASSERT_EQ(accounts_->change(bob.id, {.disabled = true})->refusal, Refusal::kNone);
  EXPECT_FALSE(sessions_->find(two)->signed_in());
  EXPECT_FALSE(sessions_->find(*sessions_->start(bob.id))->signed_in());  // one that a login made meanwhile
  ASSERT_EQ(accounts_->change(bob.id, {.disabled = false})->refusal, Refusal::kNone);
  EXPECT_FALSE(sessions_->find(two)->signed_in());
  for (const std::string& wrong : {std::string(), random_token(), token_hash(one), std::string(43, '\''), two + "="})
    EXPECT_FALSE(sessions_->find(wrong)->signed_in());
}

TEST_P(AccountsTest, RolesAreReadAnew) {
  join(kAdmin, "ada@example.org");
  const Person bob = join(kUser, "bob@example.org");
  const std::string session = *sessions_->start(bob.id);
  ASSERT_TRUE(accounts_->change(bob.id, {.roles = kReviewer}).ok());
  EXPECT_EQ(sessions_->find(session)->roles, unsigned{kReviewer});
}

TEST_P(AccountsTest, TheLastAdminStays) {
  const Person ada = join(kAdmin, "ada@example.org"), bob = join(kAdmin | kUser, "bob@example.org");
  EXPECT_EQ(accounts_->change("nobody", {.disabled = true})->refusal, Refusal::kGone);
  EXPECT_EQ(accounts_->change(bob.id, {.disabled = true})->refusal, Refusal::kNone);
  EXPECT_EQ(accounts_->change(ada.id, {.disabled = true})->refusal, Refusal::kLastAdmin);
  EXPECT_EQ(accounts_->change(ada.id, {.roles = kUser})->refusal, Refusal::kLastAdmin);
  EXPECT_EQ(*accounts_->erase(ada.id), Refusal::kLastAdmin);
  EXPECT_EQ((*accounts_->by_id(ada.id))->person.roles, unsigned{kAdmin});
  EXPECT_EQ(accounts_->change(ada.id, {.name = "Ada L."})->refusal, Refusal::kNone);
}

TEST_P(AccountsTest, TwoAdminsDoNotTakeEachOthersRightsAtOnce) {
  for (int round = 0; round < 4; ++round) {
    const Person ada = join(kAdmin, fmt::format("ada{}@example.org", round));
    const Person bob = join(kAdmin, fmt::format("bob{}@example.org", round));
    if (round > 0) {
      const auto before = *accounts_->list();
      for (const Account& other : before) {
        if (other.disabled == 0 && other.person.id != ada.id && other.person.id != bob.id) {
          ASSERT_EQ(accounts_->change(other.person.id, {.disabled = true})->refusal, Refusal::kNone);
        }
      }
    }
    std::thread first([&] { (void)accounts_->change(ada.id, {.disabled = true}); });
    std::thread second([&] { (void)accounts_->change(bob.id, {.roles = kUser}); });
    first.join();
    second.join();
    int admins = 0;
    const auto after = *accounts_->list();
    for (const Account& account : after) admins += account.disabled == 0 && (account.person.roles & kAdmin);
    EXPECT_EQ(admins, 1);
  }
}

TEST_P(AccountsTest, ErasingLeavesNothing) {
  join(kAdmin, "ada@example.org");
  const auto made = invite(kUser, "bob@example.org");
  const Person bob = accounts_->join(made.token, "bob@example.org", "Bob", "h")->value;
  const std::string session = *sessions_->start(bob.id);
  SettingsStore settings(database_);
  ASSERT_TRUE(settings.set(bob.id, {"zh", "dark", true, true, true}).ok());
  EXPECT_EQ(*accounts_->erase(bob.id), Refusal::kNone);
  EXPECT_EQ(*accounts_->erase(bob.id), Refusal::kGone);
  EXPECT_FALSE(sessions_->find(session)->signed_in());
  EXPECT_FALSE(settings.get(bob.id)->asked);
  EXPECT_FALSE(*accounts_->by_email("bob@example.org"));
  const auto left = *invitations_->list();
  for (const auto& invitation : left) EXPECT_NE(invitation.email, "bob@example.org");
}

TEST_P(AccountsTest, AProvidersWordNeedsAnInvitationOrADomain) {
  const Identity ada{"https://id.example.org", "1234", "ada@example.org", "Ada"};
  EXPECT_EQ(accounts_->join_by_identity(ada, 0)->refusal, Refusal::kInvitation);
  invite(kReviewer, "ada@example.org");
  invite(kUser);  // for whoever brings it: not by a provider's word
  const auto joined = accounts_->join_by_identity(ada, 0);
  ASSERT_EQ(joined->refusal, Refusal::kNone);
  EXPECT_EQ(joined->value.roles, unsigned{kReviewer});
  EXPECT_EQ((*accounts_->by_identity(ada.issuer, "1234"))->person.id, joined->value.id);
  EXPECT_FALSE(*accounts_->by_identity("https://other.example.org", "1234"));
  const Identity unverified{"https://id.example.org", "2", "", "Eve"};
  EXPECT_EQ(accounts_->join_by_identity(unverified, kUser)->refusal, Refusal::kInvitation);
  const Identity same{"https://id.example.org", "3", "ada@example.org", "Not Ada"};
  EXPECT_EQ(accounts_->join_by_identity(same, kUser)->refusal, Refusal::kEmail);
  EXPECT_EQ(accounts_->join_by_identity(same, 0)->refusal, Refusal::kEmail);
  const Identity of_domain{"https://id.example.org", "4", "cy@example.org", "Cy"};
  EXPECT_EQ(accounts_->join_by_identity(of_domain, kUser)->value.roles, unsigned{kUser});
}

TEST_P(AccountsTest, SettingsAreFalseUntilOneWasAsked) {
  SettingsStore settings(database_);
  EXPECT_FALSE(settings.get("local")->may_review);
  ASSERT_TRUE(settings.set("local", {"en", "light", true, true, false}).ok());
  EXPECT_FALSE(settings.get("local")->may_review);
  EXPECT_FALSE(settings.get("local")->may_train);
  EXPECT_EQ(settings.get("local")->theme, "light");
  ASSERT_TRUE(settings.set("local", {"zh", "", false, true, true}).ok());
  EXPECT_TRUE(settings.get("local")->may_train);
  EXPECT_EQ(settings.get("local")->language, "zh");
}

TEST_P(AccountsTest, TheAuditLogIsReadBackwards) {
  Audit audit(database_, clock_.clock());
  const Person ada = join(kAdmin, "ada@example.org");
  for (int i = 0; i < 5; ++i) {
    if (i == 3) clock_.pass(1);
    audit.add(i % 2 ? ada.id : "local", i == 4 ? "erase" : "read", fmt::format("object{}", i), {{"i", i}});
  }
  const auto all = audit.list({.limit = 3});
  ASSERT_EQ(all->size(), 3u);
  EXPECT_EQ(all->at(0).object, "object4");
  EXPECT_EQ(all->at(1).name, "Somebody");
  EXPECT_EQ(all->at(1).detail["i"], 3);
  const auto rest = audit.list({.before = all->back().id});
  ASSERT_EQ(rest->size(), 2u);
  EXPECT_EQ(rest->at(0).object, "object1");
  EXPECT_EQ(audit.list({.action = "erase"})->size(), 1u);
  EXPECT_EQ(audit.list({.person = ada.id})->size(), 2u);
  EXPECT_EQ(audit.list({.action = "' OR 1=1 --"})->size(), 0u);
}

}  // namespace
}  // namespace loquat::people

#include "web/users.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <time.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "web/password.h"

namespace wal_exporter::web {
namespace {

// Cost 4, the cheapest there is.
std::string hash_of(const std::string& password, const char* kind = "$2b$") {
  return hash_password(password, std::string(kind) + "04$abcdefghijklmnopqrstuu").value();
}

bool logs_in(const Users& users, const std::string& name, const std::string& password) {
  return users.check(name, password, "192.0.2.1").outcome == LoginOutcome::right;
}

TEST(Users, TheRightPasswordLogsIn) {
  const Users users({{"alice", hash_of("secret")}});
  EXPECT_TRUE(users.configured());
  EXPECT_TRUE(logs_in(users, "alice", "secret"));
  EXPECT_TRUE(logs_in(users, "alice", "secret")) << "the second time, from memory";
}

TEST(Users, ThatChangedAreToldByTheirNamesAlone) {
  const Users before({{"alice", hash_of("secret")}, {"bob", hash_of("b")}});
  const Users after({{"alice", hash_of("other")}, {"carol", hash_of("c")}});
  EXPECT_THAT(before.changes_to(before), ::testing::IsEmpty());
  EXPECT_THAT(before.changes_to(after),
              ::testing::ElementsAre("login alice: password changed", "login bob: removed", "login carol: added"));
  Users with_token = after;
  with_token.set_alerts_token("one");
  Users with_another = after;
  with_another.set_alerts_token("two");
  EXPECT_THAT(with_token.changes_to(with_another), ::testing::ElementsAre("alerts.token_file: another token"));
}

TEST(Users, AnythingElseDoesNot) {
  const auto hash = hash_of("secret");
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"alice", "Secret"}, {"alice", ""}, {"alice", std::string("secret\0x", 8)},
      {"Alice", "secret"}, {"", ""},      {"alice", hash}};
  for (const auto& [name, password] : wrong) {
    const Users users({{"alice", hash}});
    EXPECT_TRUE(logs_in(users, "alice", "secret"));
    EXPECT_FALSE(logs_in(users, name, password)) << name << " " << password;
  }
}

TEST(Users, EveryKindOfBcryptIsTaken) {
  for (const auto* kind : {"$2a$", "$2b$", "$2y$"}) {
    EXPECT_TRUE(logs_in(Users({{"alice", hash_of("secret", kind)}}), "alice", "secret")) << kind;
  }
}

TEST(Users, APasswordOfMoreThan72BytesIsWrongAndNotCut) {
  const std::string longest(72, 'x');
  EXPECT_TRUE(logs_in(Users({{"alice", hash_of(longest)}}), "alice", longest));
  // bcrypt makes the same hash of both.
  EXPECT_EQ(hash_of(longest + "x"), hash_of(longest));
  EXPECT_FALSE(logs_in(Users({{"alice", hash_of(longest + "x")}}), "alice", longest + "x"));
  EXPECT_FALSE(logs_in(Users({{"alice", hash_of(longest)}}), "alice", std::string(100000, 'x')));
}

TEST(Users, WithoutUsersNobodyLogsIn) {
  EXPECT_FALSE(Users().configured());
  EXPECT_FALSE(logs_in(Users(), "", ""));
}

TEST(Users, ALoginIsRememberedOverAReloadUntilItsHashChanges) {
  const Users before({{"alice", hash_password("secret", "$2b$08$abcdefghijklmnopqrstuu").value()}});
  ASSERT_TRUE(logs_in(before, "alice", "secret"));
  // Eight wrong ones leave this address no check.
  for (int i = 0; i < 8; ++i) static_cast<void>(logs_in(before, "alice", std::to_string(i)));
  Users after = before;
  after.go_on_from(before);
  EXPECT_TRUE(logs_in(after, "alice", "secret"));
  Users changed({{"alice", hash_of("other")}});
  changed.go_on_from(before);
  EXPECT_FALSE(logs_in(changed, "alice", "secret"));
}

// Time of this thread on a processor: whatever else the machine does is no part of it.
double processor_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double cost_of_a_check(const std::map<std::string, std::string>& hashes, const std::string& name,
                       const std::string& password) {
  double least = 1e9;
  for (int i = 0; i < 4; ++i) {
    const Users users(hashes);
    const double begin = processor_time();
    static_cast<void>(logs_in(users, name, password));
    least = std::min(least, processor_time() - begin);
  }
  return least;
}

TEST(Users, WhoeverIsWrongTakesAsLongAsTheCostliestUser) {
  const auto hash = [](const std::string& password, const std::string& cost) {
    return hash_password(password, "$2b$" + cost + "$abcdefghijklmnopqrstuu").value();
  };
  const std::map<std::string, std::string> hashes = {{"cheap", hash("a", "04")}, {"dear", hash("b", "09")}};
  const auto dear = cost_of_a_check(hashes, "dear", "wrong");
  for (const auto* name : {"cheap", "nobody"}) {
    const auto other = cost_of_a_check(hashes, name, "wrong");
    EXPECT_GT(other, dear * 0.7) << name;
    EXPECT_LT(other, dear * 1.4) << name;
  }
}

TEST(Users, ARememberedLoginIsCheap) {
  const Users users({{"alice", hash_password("secret", "$2b$08$abcdefghijklmnopqrstuu").value()}});
  const auto timed = [&users] {
    const double begin = processor_time();
    EXPECT_TRUE(logs_in(users, "alice", "secret"));
    return processor_time() - begin;
  };
  const auto first = timed();
  EXPECT_LT(std::min({timed(), timed(), timed()}) * 5, first);
}

TEST(EqualInConstantTime, ComparesWholeTexts) {
  EXPECT_TRUE(equal_in_constant_time("", ""));
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("abc", "ab"));
}

TEST(KeyedHash, FollowsFromKeyAndText) {
  const auto key = random_key();
  ASSERT_EQ(key.size(), 32U);
  EXPECT_NE(key, random_key());
  EXPECT_EQ(keyed_hash(key, "text"), keyed_hash(key, "text"));
  EXPECT_NE(keyed_hash(key, "text"), keyed_hash(key, "texts"));
  EXPECT_NE(keyed_hash(key, "text"), keyed_hash(random_key(), "text"));
  EXPECT_EQ(keyed_hash("", "text"), std::nullopt);
}

}  // namespace
}  // namespace wal_exporter::web

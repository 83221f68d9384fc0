#include "web/users.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "web/password.h"

namespace wal_exporter::web {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Cost 4, the cheapest there is.
std::string hash_of(const std::string& password, const char* kind = "$2b$") {
  return hash_password(password, std::string(kind) + "04$abcdefghijklmnopqrstuu").value();
}

std::string file_with(const std::string& name, const std::string& hash) {
  return "basic_auth_users:\n  " + name + ": \"" + hash + "\"\n";
}

std::string refusal(const std::string& yaml) {
  const auto users = Users::parse(yaml, "web.yml");
  return users ? "not refused" : users.error().message;
}

TEST(Users, TheRightPasswordLogsIn) {
  const auto users = Users::parse(file_with("alice", hash_of("secret")), "web.yml").value();
  EXPECT_TRUE(users.configured());
  EXPECT_TRUE(users.check("alice", "secret"));
  EXPECT_TRUE(users.check("alice", "secret")) << "the second time, from memory";
}

TEST(Users, ThatChangedAreToldByTheirNamesAlone) {
  const auto before =
      Users::parse(file_with("alice", hash_of("secret")) + "  bob: \"" + hash_of("b") + "\"\n", "w").value();
  auto after = Users::parse(file_with("alice", hash_of("other")) + "  carol: \"" + hash_of("c") + "\"\n", "w").value();
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
  const auto users = Users::parse(file_with("alice", hash_of("secret")), "web.yml").value();
  EXPECT_TRUE(users.check("alice", "secret"));
  EXPECT_FALSE(users.check("alice", "Secret"));
  EXPECT_FALSE(users.check("alice", ""));
  EXPECT_FALSE(users.check("alice", std::string("secret\0x", 8)));
  EXPECT_FALSE(users.check("Alice", "secret"));
  EXPECT_FALSE(users.check("", ""));
  EXPECT_FALSE(users.check("alice", hash_of("secret")));
}

TEST(Users, EveryKindOfBcryptIsTaken) {
  for (const auto* kind : {"$2a$", "$2b$", "$2y$"}) {
    const auto users = Users::parse(file_with("alice", hash_of("secret", kind)), "web.yml").value();
    EXPECT_TRUE(users.check("alice", "secret")) << kind;
  }
}

TEST(Users, ALongPasswordLogsIn) {
  const std::string password(200, 'x');
  const auto users = Users::parse(file_with("alice", hash_of(password)), "web.yml").value();
  EXPECT_TRUE(users.check("alice", password));
  EXPECT_FALSE(users.check("alice", std::string(100000, 'y')));
}

TEST(Users, WithoutUsersNobodyLogsIn) {
  EXPECT_FALSE(Users().configured());
  EXPECT_FALSE(Users().check("", ""));
}

TEST(Users, ARememberedLoginIsCheap) {
  const auto hash = hash_password("secret", "$2b$08$abcdefghijklmnopqrstuu").value();
  // The least of a few: whatever else the machine does only adds to it.
  auto first = std::chrono::steady_clock::duration::max();
  auto again = first;
  auto unknown = first;
  for (int round = 0; round < 4; ++round) {
    const auto users = Users::parse(file_with("alice", hash), "web.yml").value();
    const auto timed = [&users](const char* name) {
      const auto start = std::chrono::steady_clock::now();
      static_cast<void>(users.check(name, "secret"));
      return std::chrono::steady_clock::now() - start;
    };
    first = std::min(first, timed("alice"));
    for (int i = 0; i < 3; ++i) again = std::min(again, timed("alice"));
    unknown = std::min(unknown, timed("bob"));
  }
  EXPECT_LT(again * 5, first);
  // A name nobody has costs a bcrypt too.
  EXPECT_GT(unknown * 3, first);
}

TEST(UsersFile, EmptyMeansNoLogins) {
  for (const auto* yaml : {"", "# nothing\n", "{}\n", "tls_server_config: {}\n", "http_server_config:\n"}) {
    const auto users = Users::parse(yaml, "web.yml");
    ASSERT_TRUE(users) << yaml << users.error().message;
    EXPECT_FALSE(users->configured());
  }
}

TEST(UsersFile, Http2IsHarmless) {
  for (const std::string value : {"false", "True", "YES", "off"}) {
    EXPECT_TRUE(Users::parse("http_server_config:\n  http2: " + value + "\n", "web.yml")) << value;
  }
}

TEST(UsersFile, TlsIsRefusedWithReasonAndRemedy) {
  const auto message = refusal("tls_server_config:\n  cert_file: a\n");
  EXPECT_THAT(message, HasSubstr("web.yml:1: tls_server_config"));
  EXPECT_THAT(message, HasSubstr("OpenSSL 3"));
  EXPECT_THAT(message, HasSubstr("nginx"));
}

TEST(UsersFile, WhatCouldNotBeHonouredIsRefused) {
  EXPECT_THAT(refusal("http_server_config:\n  headers:\n    X-Frame-Options: deny\n"), HasSubstr("web.yml:2:"));
  EXPECT_THAT(refusal("basic_auth_user:\n  a: b\n"), HasSubstr("unknown key \"basic_auth_user\""));
  EXPECT_THAT(refusal("http_server_config:\n  http2: perhaps\n"), HasSubstr("true or false"));
}

TEST(UsersFile, AnythingButBcryptIsRefusedAndNotShown) {
  for (const auto* value :
       {"secret", "$1$salt$x", "$6$rounds=5000$x$y", "$2b$10$short", "$2x$10$abcdefghijklmnopqrstuu"}) {
    const auto message = refusal("basic_auth_users:\n  alice: \"" + std::string(value) + "\"\n");
    EXPECT_THAT(message, HasSubstr("web.yml:2:"));
    EXPECT_THAT(message, HasSubstr("not a bcrypt hash"));
    EXPECT_THAT(message, Not(HasSubstr(value)));
  }
}

TEST(UsersFile, ACostThatWouldHangIsRefused) {
  auto hash = hash_of("secret");
  hash.replace(4, 2, "20");
  EXPECT_THAT(refusal(file_with("alice", hash)), HasSubstr("cost 20"));
}

TEST(UsersFile, ANameThatCouldNeverLogInIsRefused) {
  EXPECT_THAT(refusal(file_with("\"a:b\"", hash_of("x"))), HasSubstr("could never log in"));
  EXPECT_THAT(refusal(file_with("\"\"", hash_of("x"))), HasSubstr("could never log in"));
  EXPECT_THAT(refusal(file_with("\"a\\nb\"", hash_of("x"))), HasSubstr("could never log in"));
}

TEST(UsersFile, DoubledKeysAreRefused) {
  const auto hash = hash_of("x");
  EXPECT_EQ(refusal("basic_auth_users:\n  a: \"" + hash + "\"\n  a: \"" + hash + "\"\n"),
            "web.yml:3: the key 'a' is there twice, first on line 2; keep one of them");
  EXPECT_EQ(refusal("http_server_config: {}\nhttp_server_config: {}\n"),
            "web.yml:2: the key 'http_server_config' is there twice, first on line 1; keep one of them");
}

TEST(UsersFile, AnEmptyListOfUsersIsRefused) {
  EXPECT_THAT(refusal("basic_auth_users:\n"), HasSubstr("at least one user"));
  EXPECT_THAT(refusal("basic_auth_users: {}\n"), HasSubstr("at least one user"));
  EXPECT_THAT(refusal("basic_auth_users: [a]\n"), HasSubstr("at least one user"));
}

TEST(UsersFile, RubbishIsRefusedWithItsLine) {
  EXPECT_THAT(refusal("a: b\n  c: [\n"), HasSubstr("web.yml:2: not valid YAML"));
  EXPECT_THAT(refusal("[1]\n"), HasSubstr("must be a map"));
  EXPECT_THAT(refusal("{}\n---\n{}\n"), HasSubstr("web.yml:2: a second document begins here"));
}

TEST(UsersFile, AMissingFileIsNamed) {
  const auto users = Users::load("/nonexistent/web.yml");
  ASSERT_FALSE(users);
  EXPECT_THAT(users.error().message, HasSubstr("/nonexistent/web.yml"));
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

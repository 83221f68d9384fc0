#include "base/secrets.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "base/text.h"

namespace wal_exporter {
namespace {

const std::string kToken = "mXy7-q2K_9vLrT0bZ4nW8sJ3hG6fD1cA5eQuPiOxYwBtRkMlNjHgFd==";

TEST(Secrets, AreStruckOutOfTexts) {
  Secrets secrets;
  secrets.remember(kToken);
  EXPECT_EQ(secrets.strike("no token: Token " + kToken + "; twice " + kToken),
            "no token: Token [secret]; twice [secret]");
  EXPECT_EQ(secrets.strike(kToken + kToken), "[secret]");
  EXPECT_EQ(secrets.strike("nothing of it"), "nothing of it");
  EXPECT_EQ(secrets.strike(""), "");
}

TEST(Secrets, AreStruckOutInOtherForms) {
  Secrets secrets;
  secrets.remember(kToken);
  secrets.remember("p&\"w<d");
  for (const auto& form : {to_base64(kToken), percent_encode(kToken), to_base64("p&\"w<d"), percent_encode("p&\"w<d"),
                           std::string("p\\u0026\\\"w\\u003cd")}) {
    EXPECT_EQ(secrets.strike("a " + form + " b"), "a [secret] b") << form;
  }
}

TEST(Secrets, OfALongOneEveryPieceOfFifteenBytesIsStruckOut) {
  Secrets secrets;
  secrets.remember(kToken);
  for (std::size_t at = 0; at + 15 <= kToken.size(); ++at) {
    EXPECT_EQ(secrets.strike("<" + kToken.substr(at, 15) + ">"), "<[secret]>") << at;
  }
}

TEST(Secrets, OfALoginTheEncodedPairAndThePasswordAreStruckOut) {
  Secrets secrets;
  secrets.remember("admin:correct horse");
  EXPECT_EQ(secrets.strike("Basic " + to_base64("admin:correct horse")), "Basic [secret]");
  EXPECT_EQ(secrets.strike("wrong password correct horse for admin"), "wrong password [secret] for admin");
}

TEST(Secrets, OfAHeaderItsValueIsStruckOutAndNotItsName) {
  Secrets secrets;
  secrets.remember("Authorization: Bearer " + kToken);
  EXPECT_EQ(secrets.strike("Authorization: Basic; not " + kToken), "Authorization: Basic; not [secret]");
}

TEST(Secrets, OfAUrlItsPathIsStruckOutAndNotItsHost) {
  Secrets secrets;
  secrets.remember("https://hooks.example.com/services/T024BE7LD/B0FAKE0001?key=abcdefgh");
  EXPECT_EQ(secrets.strike("https://hooks.example.com/other"), "https://hooks.example.com/other");
  EXPECT_EQ(secrets.strike("no /services/T024BE7LD/B0FAKE0001?key=abcdefgh"), "no /[secret]");
  EXPECT_EQ(secrets.strike("no T024BE7LD/B0FAKE0001"), "no [secret]");
}

TEST(Secrets, WeakOnesLeaveWhatAProgramReadsAlone) {
  Secrets secrets;
  secrets.remember("version");
  secrets.remember(kToken);
  std::string body = R"({"version": ")" + kToken + R"("})";
  secrets.strike_long(body);
  EXPECT_EQ(body, R"({"version": "[secret]"})");
  EXPECT_EQ(secrets.strike("version"), "[secret]");
}

TEST(Secrets, ThatEveryTextHasAreNotRemembered) {
  Secrets secrets;
  secrets.remember("");
  secrets.remember("abc");
  EXPECT_EQ(secrets.strike("abc"), "abc");
}

TEST(Secrets, AreFoundInALongTextInLittleTime) {
  Secrets secrets;
  for (int i = 0; i < 1000; ++i) secrets.remember(std::to_string(i) + kToken + std::to_string(i * i));
  std::string text(1U << 20U, 'x');
  text += kToken;
  secrets.strike_long(text);
  EXPECT_TRUE(text.ends_with("x[secret]"));
}

TEST(ForeignText, IsStruckOutBeforeItIsCut) {
  const auto path = std::filesystem::path(testing::TempDir()) / "foreign_text_token";
  std::ofstream(path) << kToken << "\n";
  ASSERT_TRUE(read_secret(path, "token file"));  // remembers it
  std::filesystem::remove(path);
  EXPECT_EQ(foreign_text("no " + kToken + "\n", 10), "no [secret...");
  EXPECT_EQ(foreign_text("a\nb\x1B[2J\xFF"), "a\\nb\\x1b[2J\\xff");
  EXPECT_EQ(foreign_text("a\xC3\xA4"
                         "b",
                         2),
            "a...");
}

}  // namespace
}  // namespace wal_exporter

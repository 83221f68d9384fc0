#include "events/signature.h"

#include <gtest/gtest.h>

namespace wal_exporter::events {
namespace {

TEST(Hmac, IsThatOfRfc4231) {
  EXPECT_EQ(hmac_sha256(std::string(20, '\x0b'), "Hi There").value(),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hmac_sha256("Jefe", "what do ya want for nothing?").value(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Signature, CoversTheTimestampAndTheBody) {
  // printf '1769769000.{"id":7}' | openssl dgst -sha256 -hmac secret
  EXPECT_EQ(sign_body("secret", "1769769000", R"({"id":7})").value(),
            "sha256=dc56a07eb4151a983f35a0c96093d94f15ba2d2b7b7b5e38b71165bc60e7e300");
  EXPECT_NE(sign_body("secret", "1769769001", R"({"id":7})"), sign_body("secret", "1769769000", R"({"id":7})"));
}

}  // namespace
}  // namespace wal_exporter::events

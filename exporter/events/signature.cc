#include "events/signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <limits>

namespace wal_exporter::events {

Result<std::string> hmac_sha256(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  const std::string owned(text);
  const auto* bytes = reinterpret_cast<const unsigned char*>(owned.data());
  if (key.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes, owned.size(), digest.data(), &length) ==
          nullptr) {
    return failure(ErrorKind::internal, "libcrypto could not compute the signature");
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (unsigned i = 0; i < length; ++i) {
    out += kDigits[digest[i] >> 4U];
    out += kDigits[digest[i] & 0xFU];
  }
  return out;
}

Result<std::string> sign_body(std::string_view key, std::string_view timestamp, std::string_view body) {
  std::string signed_text(timestamp);
  signed_text += '.';
  signed_text += body;
  auto hex = hmac_sha256(key, signed_text);
  if (!hex) return hex;
  return "sha256=" + *hex;
}

}  // namespace wal_exporter::events

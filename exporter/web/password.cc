#include "web/password.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <array>
#include <cstring>
#include <memory>

#include "base/text.h"

namespace wal_exporter::web {
namespace {

constexpr std::string_view kSaltCharacters = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

}  // namespace

std::optional<int> bcrypt_cost(std::string_view hash) {
  constexpr std::size_t kPrefix = 7;  // "$2b$10$"
  if (hash.size() != kPrefix + 53) return std::nullopt;
  const auto kind = hash.substr(0, 4);
  if (kind != "$2a$" && kind != "$2b$" && kind != "$2y$") return std::nullopt;
  if (!is_digit(hash[4]) || !is_digit(hash[5]) || hash[6] != '$') return std::nullopt;
  if (hash.find_first_not_of(kSaltCharacters, kPrefix) != std::string_view::npos) return std::nullopt;
  const int cost = (hash[4] - '0') * 10 + (hash[5] - '0');
  if (cost < 4 || cost > 31) return std::nullopt;
  return cost;
}

std::optional<std::string> hash_password(const std::string& password, const std::string& setting) {
  if (password.find('\0') != std::string::npos) return std::nullopt;
  const auto data = std::make_unique<crypt_data>();
  const char* out = crypt_r(password.c_str(), setting.c_str(), data.get());
  // Failure is a null pointer or, in older versions, a text that begins with '*'.
  if (out == nullptr || out[0] == '*') return std::nullopt;
  std::string hash = out;
  explicit_bzero(data.get(), sizeof(crypt_data));
  return hash;
}

bool equal_in_constant_time(std::string_view left, std::string_view right) {
  return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

std::string random_key() {
  std::array<unsigned char, 32> bytes{};
  if (RAND_priv_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) return {};
  return {bytes.begin(), bytes.end()};
}

std::optional<std::string> keyed_hash(const std::string& key, const std::string& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned size = 0;
  const auto* data = reinterpret_cast<const unsigned char*>(text.data());
  if (key.empty() ||
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), data, text.size(), hash.data(), &size) == nullptr)
    return std::nullopt;
  return std::string(hash.begin(), hash.begin() + size);
}

}  // namespace wal_exporter::web

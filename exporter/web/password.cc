#include "web/password.h"

#include <crypt.h>
#include <sys/random.h>

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
  if (left.size() != right.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    difference |= static_cast<unsigned>(static_cast<unsigned char>(left[i]) ^ static_cast<unsigned char>(right[i]));
  }
  return difference == 0;
}

std::string random_setting() {
  std::array<unsigned char, 16> bytes{};
  // Up to 256 bytes, once the kernel's pool is ready, are never cut short.
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) return {};
  std::string setting = "$5$rounds=1000$";
  for (const auto byte : bytes) setting += kSaltCharacters[byte % kSaltCharacters.size()];
  return setting;
}

}  // namespace wal_exporter::web

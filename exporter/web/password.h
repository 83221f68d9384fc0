// Password hashes by libcrypt, and what compares and remembers them. Safe from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace wal_exporter::web {

// The cost of a bcrypt hash: `$2a$`, `$2b$` or `$2y$`, two digits of cost from 04 to 31, 22
// characters of salt and 31 of hash. nullopt if `hash` is none.
[[nodiscard]] std::optional<int> bcrypt_cost(std::string_view hash);

// What libcrypt makes of `password` with the setting (or whole hash) `setting`;
// nullopt where it refuses either, or the password holds a NUL byte.
[[nodiscard]] std::optional<std::string> hash_password(const std::string& password, const std::string& setting);

// Compares in a time that depends only on the lengths, not on the contents.
[[nodiscard]] bool equal_in_constant_time(std::string_view left, std::string_view right);

// For `keyed_hash`; empty where there is no randomness.
[[nodiscard]] std::string random_key();

// HMAC-SHA-256; nullopt where the key is empty.
[[nodiscard]] std::optional<std::string> keyed_hash(const std::string& key, const std::string& text);

}  // namespace wal_exporter::web

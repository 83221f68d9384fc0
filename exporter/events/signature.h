// The signature of a webhook's body: HMAC-SHA256 (RFC 2104) by libcrypto.
//
// Pure; safe from any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace wal_exporter::events {

// In hexadecimal, small letters.
[[nodiscard]] Result<std::string> hmac_sha256(std::string_view key, std::string_view text);

// "sha256=HEX" over "TIMESTAMP.BODY", the timestamp in whole seconds since 1970: so
// that an old request can't be sent again later without being noticed.
[[nodiscard]] Result<std::string> sign_body(std::string_view key, std::string_view timestamp, std::string_view body);

}  // namespace wal_exporter::events

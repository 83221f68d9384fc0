// Whom a client trusts over https, and who it says it is: what is set of that, and what is wrong
// with the files it names.
//
// Plain values; the functions read files and are safe from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace wal_exporter::http {

struct Tls {
  // What stands before the names of the settings in messages: "influxdb.", "hooks.". Empty: nobody
  // set anything, so no setting is named.
  std::string settings{};

  std::string ca_file{};           // PEM; these authorities alone are trusted; empty: those of the machine
  std::string client_cert_file{};  // PEM: the client's certificate, then those that signed it
  std::string client_key_file{};   // PEM, without a passphrase
  bool insecure_skip_verify = false;

  // "sha256//..." of the server's public key, as curl writes it: no authority and no name is asked
  // for then. Not a setting.
  std::string pinned_key{};

  friend bool operator==(const Tls&, const Tls&) = default;
};

struct TlsProblem {
  std::string key;   // "ca_file", without what stands before it
  std::string text;  // what is wrong, and the remedy
};

// What can't be used of the files: missing, unreadable, not PEM, a key that does not fit.
[[nodiscard]] std::vector<TlsProblem> problems_of(const Tls& tls);

// Changes with any of the files.
[[nodiscard]] std::string stamp_of(const Tls& tls);

// Of a handshake that failed: `verify_result` is OpenSSL's (0: the chain is good), `detail` what
// curl says, `names` those that the certificate is for. The cause and the remedy, without any part of
// the URL: untrusted where a certificate is not accepted, unavailable where one side speaks no TLS.
// nullopt: TLS is not to blame.
[[nodiscard]] std::optional<Error> tls_cause(const Tls& tls, long curl_code, long verify_result,
                                             std::string_view detail, const std::string& names);

// Likewise of an answer with status 400: nginx and Go's servers say there that they miss a client
// certificate, or TLS.
[[nodiscard]] std::optional<Error> cause_of_answer(const Tls& tls, std::string_view body);

}  // namespace wal_exporter::http

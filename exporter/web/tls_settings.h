// The section tls_server_config of the web configuration file, read and checked, its files not
// yet opened. A value.
#pragma once

#include <string>
#include <vector>

namespace wal_exporter::web {

// As Go's crypto/tls names them; what each asks of a client.
enum class ClientAuth {
  none,               // NoClientCert
  request,            // RequestClientCert: asked for, never checked
  require_any,        // RequireAnyClientCert: must be there, not checked
  verify_if_given,    // VerifyClientCertIfGiven
  require_and_verify  // RequireAndVerifyClientCert
};

// Of each pair of a file and a text at most one is set.
struct TlsSettings {
  std::string cert_file;  // PEM, the server's own certificate first
  std::string cert;
  std::string key_file;
  std::string key;
  ClientAuth client_auth = ClientAuth::none;
  std::string client_ca_file;
  std::string client_ca;
  std::vector<std::string> client_allowed_sans;  // empty: any
  int min_version = 0;                           // OpenSSL's TLS1_2_VERSION or TLS1_3_VERSION
  int max_version = 0;
  std::vector<std::string> cipher_suites;  // OpenSSL's names, those of TLS 1.2; empty: its strong ones
  bool prefer_server_cipher_suites = true;
  std::vector<std::string> curves;  // OpenSSL's names; empty: its own

  bool operator==(const TlsSettings&) const = default;
};

}  // namespace wal_exporter::web

// What the server speaks TLS with: an OpenSSL context made from the settings and the files they
// name, as they are when it is made.
//
// Immutable, safe from any thread. A renewed certificate is a new context: each connection takes
// the current one with SSL_new, and an SSL holds what it needs of its own, so that the context
// before may be let go while connections of it live on. Two files are renewed one after the
// other; whoever makes a context keeps the one before where this fails, and tries again.
//
// TLS 1.2 and 1.3, HTTP/1.1 alone (ALPN), no renegotiation, no compression, and no resumption:
// each connection shows its client certificate anew. For sockets that do not block: SSL_write may
// take a part, and may be called again with the rest elsewhere. A client that closes without
// TLS's farewell reads as an end (SSL_ERROR_ZERO_RETURN). Plain HTTP fails with the reason
// SSL_R_HTTP_REQUEST.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "web/tls_settings.h"

namespace wal_exporter::web {

class TlsContext {
 public:
  // Reads every file. An error names the setting, the file and the remedy. `now` judges the
  // server's certificate alone, and only into warnings.
  [[nodiscard]] static Result<std::shared_ptr<const TlsContext>> make(const TlsSettings& settings, Time now);

  // To pass to SSL_new, not to be changed.
  [[nodiscard]] SSL_CTX* get() const { return context_.get(); }
  // The end of the server's own certificate; the last Time there is, where it is later still.
  [[nodiscard]] Time not_after() const { return not_after_; }
  // "sha256//..." of the public key, by which a client that has it from us knows the server.
  [[nodiscard]] std::string key_pin() const;
  // What does not keep the server from starting and should be mended, a line each.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };

  TlsContext() = default;

  std::unique_ptr<SSL_CTX, Free> context_;
  Time not_after_{};
  std::vector<std::string> warnings_;
};

// Why the last call on `ssl` failed, for the log: "client certificate refused: certificate has
// expired". Empties the thread's queue of OpenSSL errors.
[[nodiscard]] std::string tls_error(const SSL* ssl);

}  // namespace wal_exporter::web

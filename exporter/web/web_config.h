// The file of --web.config.file, as the Prometheus exporter-toolkit documents it: TLS, response
// headers, logins, a limit on requests.
//
// A value that does not change; what it shares is safe from any thread. What could not be
// honoured is refused with file and line, every mistake at once. Paths in the file are relative
// to its folder.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "web/rate_limit.h"
#include "web/tls.h"
#include "web/tls_settings.h"
#include "web/users.h"

namespace wal_exporter::web {

struct WebConfig {
  std::optional<TlsSettings> tls;
  std::shared_ptr<const TlsContext> context;                 // made from `tls` by load()
  std::vector<std::pair<std::string, std::string>> headers;  // of every answer
  Users users;
  std::shared_ptr<RateLimit> rate_limit;  // nullptr: none
  std::vector<std::string> files;         // whose change asks for another load(): itself, and those it names
  std::vector<std::string> notes;         // what is taken but not done, a line each

  // Settings alone: no file is opened. `file` stands for the text's in messages.
  [[nodiscard]] static Result<WebConfig> parse(const std::string& yaml, const std::string& file);
  // The same from the file, and the TLS context from the files it names.
  [[nodiscard]] static Result<WebConfig> load(const std::string& file, Time now);

  // Of the certificate that is shown; nullopt: none is.
  [[nodiscard]] std::optional<Time> certificate_end() const {
    return context ? std::optional<Time>(context->not_after()) : std::nullopt;
  }
  // Why `after` may not take this one's place while the program runs; empty: it may. Whoever
  // set up TLS or logins does not lose them by a mistake in the file.
  [[nodiscard]] std::string refusal_of(const WebConfig& after) const;
  // What is another in `after`, a line each; no secrets.
  [[nodiscard]] std::vector<std::string> changes_to(const WebConfig& after) const;
  // Goes on with what `before` remembers of logins and requests.
  void go_on_from(const WebConfig& before);
};

}  // namespace wal_exporter::web

// The guard: who may read, and who may make something happen.
//
// A browser on the same machine sends requests for whatever page is open in it,
// and a proxy in front makes the whole internet look local; so, without logins, a
// changing request (any method but GET and HEAD) must come from a local program
// that talks to us directly, and never from a foreign page. Pure; safe from any
// thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "web/request.h"

namespace wal_exporter::web {

struct Verdict {
  int status = 200;    // 200: go on; 401: a login is needed; 403: refused
  std::string reason;  // for people
  std::string remedy;

  [[nodiscard]] bool allowed() const { return status == 200; }
};

// `users_configured`: everything but an `open` route needs a login; `login_ok`:
// the request carries a right one. Query and body are not looked at.
[[nodiscard]] Verdict guard(const Request& request, bool users_configured, bool login_ok, bool open = false);

[[nodiscard]] bool is_changing(std::string_view method);
// 127.0.0.0/8, ::1 and ::ffff:127.0.0.0/104, as text.
[[nodiscard]] bool is_loopback_address(const std::string& address);
// The value of a Host header: localhost, 127.x.x.x or [::1], with or without a port.
[[nodiscard]] bool is_loopback_host(std::string_view host);

}  // namespace wal_exporter::web

// The guard: who may read, and who may make something happen.
//
// A browser on the same machine sends requests for whatever page is open in it,
// and a proxy in front makes the whole internet look local; so, without logins, a
// changing request (any method but GET and HEAD) must come from a program of a user
// who may act here, directly, and never from a foreign page. That there is no mark of
// a proxy proves nothing; whose program it is the kernel knows. Pure, but that a
// refusal looks up the name of a user; safe from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "web/request.h"

namespace wal_exporter::web {

struct Verdict {
  int status = 200;    // 200: go on; 401: a login is needed; 403: refused; 421: not our name
  std::string reason;  // for people
  std::string remedy;

  [[nodiscard]] bool allowed() const { return status == 200; }
};

// Root, and the user that this process runs as.
[[nodiscard]] std::vector<std::uint32_t> process_users();

// Who may do what where no logins are configured.
struct Access {
  std::vector<std::uint32_t> users = process_users();  // uids that may act from this machine
  std::vector<std::string> own_names;                  // in small letters; beside those that own_names.h knows
};

// `users_configured`: everything but an `open` route needs a login; `login_ok`:
// the request carries a right one. Query and body are not looked at.
[[nodiscard]] Verdict guard(const Request& request, const Access& access, bool users_configured, bool login_ok,
                            bool open = false);

[[nodiscard]] bool is_changing(std::string_view method);
// 127.0.0.0/8, ::1 and ::ffff:127.0.0.0/104, as text.
[[nodiscard]] bool is_loopback_address(const std::string& address);
// From this machine: over loopback or a Unix socket.
[[nodiscard]] bool is_local(const Request& request);
// The value of a Host header: localhost, 127.x.x.x or [::1], with or without a port.
[[nodiscard]] bool is_loopback_host(std::string_view host);

}  // namespace wal_exporter::web

// From a request to an answer: the table of routes, logins, the guard. Knows nothing of sockets. Safe from any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "web/action.h"
#include "web/users.h"

namespace wal_exporter::web {

// Where metrics are to be served; an error names the route that is there already, or what an
// address looks like.
[[nodiscard]] Result<void> check_telemetry_path(const std::string& path);

class Handler {
 public:
  // At most `max_waiting` checkpoints are waited for at once; more are answered
  // 202 as soon as they run, so that threads are left for scrapes. Likewise at most
  // `max_streams` event streams are open; more are answered 503.
  Handler(Dependencies dependencies, std::size_t max_waiting, std::size_t max_streams);

  // Never throws. Counts the request under its route's pattern.
  [[nodiscard]] Response handle(const Request& request, const Users& users);

  // How many bytes of the body may be read before handle() is called. The limit for alerts is
  // larger, but only if the request has their token.
  [[nodiscard]] static std::size_t body_limit(const Request& request, const Users& users);

  // Counts a request that was answered without a route: too large or malformed.
  void count_refused(int status);

  // Call before the dependencies are destroyed: a request that is still inside Commands
  // then uses none of them when it returns.
  void abandon() { context_.abandoned = true; }

 private:
  struct Match {
    const Route* route = nullptr;  // nullptr: no route has this pattern and method
    std::string_view pattern;      // empty: no such address
    std::string allow;             // the methods there are
    std::vector<std::string> names;
  };

  [[nodiscard]] Match match(std::string_view method, const std::vector<std::string>& segments) const;
  [[nodiscard]] Response dispatch(const Request& request, const Users& users, std::string_view& pattern);
  [[nodiscard]] std::optional<Response> refuse_alerts(const Request& request, const Users& users) const;

  Context context_;
  std::vector<Route> routes_;
};

}  // namespace wal_exporter::web

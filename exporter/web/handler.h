// From a request to an answer: the table of routes, logins, the guard, and what
// each route does. Knows nothing of sockets. Safe from any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "web/guard.h"
#include "web/request.h"
#include "web/response.h"
#include "web/server.h"
#include "web/users.h"

namespace wal_exporter::web {

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

  // Call before the dependencies are destroyed: a request that is still inside Commands or
  // Queries then uses none of them when it returns.
  void abandon() { abandoned_ = true; }

 private:
  struct Call {
    const Request& request;
    Parameters query;
    std::vector<std::string> names;   // what {…} in the pattern stood for
    std::optional<std::string> user;  // who logged in
  };
  using Action = Response (Handler::*)(const Call&);
  // Who asks, for the audit: "user alice" or "loopback".
  [[nodiscard]] static std::string actor_of(const Call& call) {
    return call.user ? "user " + *call.user : std::string("loopback");
  }
  struct Route {
    std::string_view pattern;
    std::string_view method;  // GET (and so HEAD) or POST
    Action action;
    bool open = false;    // needs no login
    bool alerts = false;  // takes the alerts' own token, and no login
  };
  struct Match {
    const Route* route = nullptr;  // nullptr: no such address, or not with this method
    std::string_view pattern;      // empty: no such address
    std::string allow;             // the methods of this address, for the Allow header
    std::vector<std::string> names;
  };

  [[nodiscard]] static std::span<const Route> routes();
  [[nodiscard]] static Match match(std::string_view method, const std::vector<std::string>& segments);
  [[nodiscard]] Response dispatch(const Request& request, const Users& users, std::string_view& pattern);
  [[nodiscard]] std::optional<Response> refuse_alerts(const Request& request, const Users& users) const;
  [[nodiscard]] Response refuse(const Request& request, int status, const std::string& reason,
                                const std::string& remedy, const Json& extra = Json::object()) const;
  [[nodiscard]] Response refuse(const Request& request, const Error& error) const;
  // The target of that name; nullptr: there is none.
  [[nodiscard]] static std::shared_ptr<const view::TargetView> find(const view::View& view, const std::string& name);
  [[nodiscard]] Response no_such_target(const Call& call, const view::View& view, const std::string& name) const;
  // `?target=NAME`, or the first; otherwise the answer that says why not.
  struct Chosen {  // `refusal` only where `target` is nullptr
    std::shared_ptr<const view::TargetView> target;
    Response refusal;
  };
  [[nodiscard]] Chosen choose(const Call& call) const;
  [[nodiscard]] Response seed_answer(const Call& call, Json (*render)(const view::TargetView&, Time)) const;
  [[nodiscard]] Response checkpoint(const Call& call, const std::string& target, bool seed);

  [[nodiscard]] Response get_landing(const Call& call);
  [[nodiscard]] Response get_metrics(const Call& call);
  [[nodiscard]] Response get_healthy(const Call& call);
  [[nodiscard]] Response get_ready(const Call& call);
  [[nodiscard]] Response post_reload(const Call& call);
  [[nodiscard]] Response get_targets(const Call& call);
  [[nodiscard]] Response get_target(const Call& call);
  [[nodiscard]] Response get_history(const Call& call);
  [[nodiscard]] Response get_samples(const Call& call);
  [[nodiscard]] Response get_status(const Call& call);
  [[nodiscard]] Response get_asset(const Call& call);
  [[nodiscard]] Response get_events(const Call& call);
  [[nodiscard]] Response get_event_stream(const Call& call);
  [[nodiscard]] Response post_checkpoint(const Call& call);
  [[nodiscard]] Response get_run(const Call& call);
  [[nodiscard]] Response get_hooks(const Call& call);
  [[nodiscard]] Response get_plan(const Call& call);
  [[nodiscard]] Response post_prepare_restart(const Call& call);
  [[nodiscard]] Response post_alerts(const Call& call);
  [[nodiscard]] Response post_pause(const Call& call);
  [[nodiscard]] Response post_resume(const Call& call);
  [[nodiscard]] Response pause(const Call& call, std::optional<Duration> length);
  [[nodiscard]] Response get_seed_health(const Call& call);
  [[nodiscard]] Response get_seed_checkpoint_status(const Call& call);
  [[nodiscard]] Response get_seed_stats(const Call& call);
  [[nodiscard]] Response post_seed_checkpoint(const Call& call);

  const Dependencies dependencies_;
  const std::size_t max_waiting_;
  const std::size_t max_streams_;
  std::atomic<std::size_t> waiting_{0};
  std::atomic<std::size_t> starting_{0};
  std::atomic<std::size_t> streams_{0};
  std::atomic<bool> abandoned_{false};
};

}  // namespace wal_exporter::web

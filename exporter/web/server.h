// The HTTP server: routes, the guard on changing requests, logins, the seed API
// and the v1 API, over CivetWeb.
//
// start() opens the addresses; the destructor (or stop()) waits for running requests,
// at most 2 s. A request still inside Commands by then is left to end by
// itself and touches no dependency afterwards; so Commands should let go of its
// waiters before this is stopped. Handlers read the View and ask Commands, nothing else.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "base/time.h"
#include "metrics/page.h"
#include "view/commands.h"
#include "view/view.h"
#include "web/web_config.h"

namespace wal_exporter::web {

struct ServerOptions {
  std::vector<std::string> listen_addresses = {":3002"};  // listen.h has their forms
  bool service_manager = false;                           // the sockets a service manager handed over, instead
  mode_t unix_mode = 0660;                                // of Unix sockets
  std::string control_socket = {};                        // path of one more, for our user and root; empty: none
  std::shared_ptr<const WebConfig> web = std::make_shared<const WebConfig>();
  std::size_t threads = 24;  // at most a third of them wait for checkpoints, a third serve event streams
  // For a client to send its request, and to take the answer, beyond what their size earns.
  Duration client_timeout = std::chrono::seconds(5);
  // For running requests to end when the server is stopped.
  Duration stop_timeout = std::chrono::seconds(2);
};

// How metrics are served.
struct Exposition {
  std::string telemetry_path = "/metrics";  // see check_telemetry_path in handler.h
  std::size_t max_requests = 40;            // scrapes answered at once; 0: no limit
};

struct Dependencies {
  const view::ViewHolder& views;
  view::Commands& commands;
  metrics::MetricsPage& metrics;
  const Clock& clock;
  Log log;
  Exposition exposition = {};
};

class Core;  // what the server's threads use

class Server {
 public:
  // Port taken or not allowed, address not ours: an error that names the address
  // and the remedy; conflict where it is in use.
  [[nodiscard]] static Result<std::unique_ptr<Server>> start(ServerOptions options, Dependencies dependencies);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // The first port that was opened (0 in the options: any free one); 0: there are only Unix sockets.
  [[nodiscard]] int port() const;
  // What was opened: "[::]:3002", "unix:/run/x.sock".
  [[nodiscard]] std::vector<std::string> addresses() const;
  // A web.config.file that was read anew: for connections from now on, and for each request. False, and
  // nothing has changed: it asks for TLS, which this build has not.
  [[nodiscard]] bool set_web_config(std::shared_ptr<const WebConfig> config);
  // Safe to call again.
  void stop();

 private:
  explicit Server(std::shared_ptr<Core> core);

  const std::shared_ptr<Core> core_;
  bool stopped_ = false;
};

}  // namespace wal_exporter::web

// Exporter: the whole process but for main(): targets, web server, state, reload.
//
// start() opens the port and begins to look; stop() ends everything within its
// limits. Implements what web/ may ask for. Safe from any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "app/event_feed.h"
#include "app/flags.h"
#include "app/publisher.h"
#include "app/target.h"
#include "app/web_config_keeper.h"
#include "base/clock.h"
#include "base/log.h"
#include "events/bus.h"
#include "events/hooks.h"
#include "settings/load.h"
#include "state/kept_store.h"
#include "state/lock.h"
#include "state/store.h"
#include "view/commands.h"
#include "view/view.h"
#include "web/server.h"

namespace wal_exporter::app {

class Exporter final : public view::Commands {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Exporter>> start(Flags flags, settings::Settings settings,
                                                               settings::Environment environment,
                                                               std::shared_ptr<Clock> clock, Log log);
  ~Exporter() override;

  // Takes no more work, lets running checkpoints come to a safe point, closes the
  // port, flushes the state.
  void stop() WAL_EXPORTER_EXCLUDES(targets_mutex_, reload_mutex_);
  [[nodiscard]] int port() const { return server_->port(); }

  [[nodiscard]] Result<view::CheckpointAnswer> checkpoint(const view::CheckpointCommand& command) override;
  [[nodiscard]] Result<view::PrepareRestartAnswer> prepare_restart(const view::PrepareRestartCommand& command) override;
  [[nodiscard]] Result<view::AlertAnswer> alert(const view::AlertCommand& command) override;
  [[nodiscard]] Result<view::PauseAnswer> pause(const view::PauseCommand& command) override;
  [[nodiscard]] Result<view::ReloadAnswer> reload() override WAL_EXPORTER_EXCLUDES(reload_mutex_);
  [[nodiscard]] Result<view::HistoryPage> history(const std::string& target, std::optional<std::int64_t> before,
                                                  std::size_t limit) override;
  [[nodiscard]] Result<std::vector<view::SamplePoint>> samples(const std::string& target, std::optional<Time> since,
                                                               std::size_t limit) override;
  [[nodiscard]] Result<view::EventPage> events(const view::EventFilter& filter, std::optional<std::int64_t> before,
                                               std::size_t limit) override {
    return feed_.page(filter, before, limit);
  }
  [[nodiscard]] Result<std::vector<events::Event>> events_after(const view::EventFilter& filter, std::int64_t after,
                                                                std::size_t limit, Duration wait) override {
    return feed_.after(filter, after, limit, wait);
  }
  [[nodiscard]] Result<std::int64_t> newest_event() override { return feed_.newest(); }
  [[nodiscard]] Result<view::ProbeAnswer> probe(const std::string& target, Duration wait) override;
  [[nodiscard]] Result<view::CheckpointPlan> plan(const std::string& target, bool at_once) override;
  [[nodiscard]] Result<std::optional<view::CheckpointRun>> run(const std::string& target, std::int64_t id) override;

 private:
  Exporter(Flags flags, settings::Environment environment, std::shared_ptr<Clock> clock, Log log,
           std::shared_ptr<state::KeptStore> store, std::optional<state::TargetLock> state_lock,
           std::string control_token);

  // What is to be said of targets that came or went, by their names.
  using Remarks = std::map<std::string, std::string>;
  [[nodiscard]] Result<Remarks> apply(settings::Settings settings) WAL_EXPORTER_EXCLUDES(targets_mutex_);
  // Not there: an error of kind not_found that names those that are.
  [[nodiscard]] Result<std::shared_ptr<Target>> find(const std::string& name) const
      WAL_EXPORTER_EXCLUDES(targets_mutex_);
  // After a change of its files: refused for this reason, or (empty) taken.
  void web_config_looked_at(const std::string& refused) WAL_EXPORTER_EXCLUDES(status_mutex_);
  // The control file: the control socket, else the first address and how to know it over TLS.
  [[nodiscard]] Result<void> write_way_in(const web::WebConfig& web) const;
  // For the publisher: the last reload, the hooks, the targets.
  void fill(view::View& view) WAL_EXPORTER_EXCLUDES(targets_mutex_, status_mutex_);

  const Flags flags_;
  const settings::Environment environment_;
  const std::shared_ptr<Clock> clock_;
  const Log log_;
  const std::shared_ptr<state::KeptStore> store_;
  const std::string watch_only_;  // why nothing is acted on; empty: it is
  const std::shared_ptr<events::Bus> bus_ = std::make_shared<events::Bus>();
  EventFeed feed_;
  // Of the state directory: whoever has it owns the control file. Targets have
  // locks of their own, so a second exporter does no harm, but is warned of.
  const std::optional<state::TargetLock> lock_;
  const std::string control_token_;
  const Machinery machinery_;

  Mutex reload_mutex_;  // guards one reload at a time and none beside the end, and what is in use
  bool ending_ WAL_EXPORTER_GUARDED_BY(reload_mutex_) = false;
  settings::Said said_ WAL_EXPORTER_GUARDED_BY(reload_mutex_);
  Mutex status_mutex_;  // guards what the last reload said
  bool reload_successful_ WAL_EXPORTER_GUARDED_BY(status_mutex_) = true;
  Time reload_success_ WAL_EXPORTER_GUARDED_BY(status_mutex_){};
  std::string reload_error_ WAL_EXPORTER_GUARDED_BY(status_mutex_);
  // Why the web configuration on disk is not in use, apart from the last reload; empty: it is.
  std::vector<std::string> listening_ WAL_EXPORTER_GUARDED_BY(status_mutex_);
  std::string web_config_refused_ WAL_EXPORTER_GUARDED_BY(status_mutex_);
  bool reload_waits_for_web_ WAL_EXPORTER_GUARDED_BY(status_mutex_) = false;  // the last reload failed for that alone
  view::ReloadAnswer reload_answer_ WAL_EXPORTER_GUARDED_BY(status_mutex_);
  std::shared_ptr<const RedactedText> in_force_ WAL_EXPORTER_GUARDED_BY(status_mutex_);

  mutable Mutex targets_mutex_;  // guards the list of targets
  std::vector<std::shared_ptr<Target>> targets_ WAL_EXPORTER_GUARDED_BY(targets_mutex_);

  Publisher publisher_;
  events::Hooks hooks_;  // applied and stopped with the targets, never under a lock of theirs

  std::unique_ptr<web::Server> server_;
  std::unique_ptr<WebConfigKeeper> web_config_;
};

}  // namespace wal_exporter::app

// The part of Target that makes its view.
#include "app/method.h"
#include "app/target.h"
#include "policy/recommend.h"

namespace wal_exporter::app {

void Target::publish() {
  auto view = std::make_shared<view::TargetView>();
  const Time now = services_.clock->now();
  view->name = settings_.name;
  view->wal_directory = settings_.wal.directory.string();
  view->version = version_;
  view->method = choose_method(settings_, version_).name;
  view->health = health_;
  view->sample = sample_;
  view->last_sample_success = sample_ != nullptr && error_.empty();
  view->error = error_;
  if (sample_ != nullptr) {
    view->stale_at = sample_->taken_at + 2 * rules_.sample_interval;
    view->thresholds = policy::resolve(rules_.thresholds, *sample_);
    view->forecast = policy::forecast(forecast_rules_, history_, sample_->pending, view->thresholds);
  }
  view->short_window = forecast_rules_.short_window;
  view->long_window = forecast_rules_.long_window;
  view->decision = decision_;
  view->request_blockers =
      policy::decide_on_request(rules_, memory_, situation(influxdb::NudgeMode::patient), policy::Reason::manual, false)
          .blockers;
  if (health_) view->recommendations = policy::recommend(*health_, *sample_, decision_, not_shrinking_);
  view->not_shrinking = not_shrinking_;
  if (version_ == "3") view->node = node_view(node_, sample_.get());
  if (health_ && wal_metrics_) {
    std::string differing = influxdb::differing_opinion(*wal_metrics_, sample_->pending.bytes);
    if (!differing.empty()) view->recommendations.push_back(std::move(differing));
  }
  if (health_ && view->node) {
    const auto more = node_recommendations(settings_, *view->node, server_ ? server_->version : "", memory_, now);
    view->recommendations.insert(view->recommendations.end(), more.begin(), more.end());
  }
  if (auto advice = restart_advice()) view->recommendations.push_back(*std::move(advice));
  view->restart = restart_view();
  view->server = server_;
  view->server_asked = !settings_.influxdb.url.empty();
  view->running = running_;
  view->last_run = last_run_;
  view->last_checkpoint = memory_.last_end;
  view->last_success = memory_.last_success;
  view->cooldown_until = policy::cooldown_until(rules_, memory_, now);
  view->next_allowed = policy::next_allowed(rules_, memory_, now);
  view->cooldown = rules_.cooldown;
  view->watch_degraded = !watch_degraded_.empty();
  view->watch_detail = watch_degraded_;
  view->dry_run = settings_.dry_run;
  view->paused_until = policy::paused_until(memory_, now);
  view->paused = view->paused_until.has_value();
  if (view->paused) view->paused_by = memory_.paused_by;
  view->counters = counters_;
  std::string not_ready;
  if (looks_ == 0) {
    not_ready = settings_.name + ": the first look at the WAL has not ended";
  } else if (!settings_.influxdb.url.empty() && (!server_ || !judged_)) {
    not_ready = settings_.name + ": InfluxDB has not answered yet";
  }
  {
    const MutexLock lock(view_mutex_);
    not_ready_ = std::move(not_ready);
    view_ = std::move(view);
  }
  services_.changed();
}

}  // namespace wal_exporter::app

#include "app/publisher.h"

#include <algorithm>
#include <utility>

namespace wal_exporter::app {
namespace {

constexpr Duration kReadyAtTheLatest = std::chrono::seconds(15);
// Views follow each other no faster than this, and take at most a tenth of the time.
constexpr Duration kViewSpacing = std::chrono::milliseconds(20);
constexpr int kViewSpacingFactor = 10;

}  // namespace

Publisher::Publisher(std::shared_ptr<Clock> clock, metrics::Own own, std::function<void(view::View&)> fill)
    : clock_(std::move(clock)),
      fill_(std::move(fill)),
      started_(clock_->now()),
      ready_at_(clock_->steady() + kReadyAtTheLatest),
      page_(*clock_, own) {}

Publisher::~Publisher() {
  stop();
}

void Publisher::begin(std::shared_ptr<const view::View> first) {
  page_.update(*first);
  views_.publish(std::move(first));
}

void Publisher::start() {
  publish_now();
  thread_ = std::jthread([this] { run(); });
}

void Publisher::stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    wanted_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Publisher::mark_changed() {
  const MutexLock lock(mutex_);
  dirty_ = true;
  wanted_.notify_all();
}

void Publisher::publish_now() {
  const MutexLock building(building_mutex_);
  auto view = std::make_shared<view::View>();
  view->started = started_;
  fill_(*view);
  if (clock_->steady() >= ready_at_) view->not_ready.clear();
  page_.update(*view);
  views_.publish(std::move(view));
}

void Publisher::run() {
  while (true) {
    {
      const MutexLock lock(mutex_);
      while (!dirty_ && !stopping_) {
        if (clock_->steady() >= ready_at_) {
          clock_->wait_until(wanted_, mutex_, SteadyTime::max());
        } else {
          clock_->wait_until(wanted_, mutex_, ready_at_);
          if (clock_->steady() >= ready_at_) break;
        }
      }
      if (stopping_) return;
      dirty_ = false;
    }
    const SteadyTime begin = clock_->steady();
    publish_now();
    const SteadyTime next = begin + std::max(kViewSpacing, (clock_->steady() - begin) * kViewSpacingFactor);
    const MutexLock lock(mutex_);
    while (!stopping_ && clock_->steady() < next) clock_->wait_until(wanted_, mutex_, next);
    if (stopping_) return;
  }
}

}  // namespace wal_exporter::app

#include "app/web_config_keeper.h"

#include <utility>

#include "app/check.h"
#include "base/text.h"

namespace wal_exporter::app {
namespace {

constexpr Duration kLookEvery = std::chrono::seconds(1);

}  // namespace

WebConfigKeeper::WebConfigKeeper(std::string file, std::shared_ptr<const web::WebConfig> first, web::Server& server,
                                 metrics::MetricsPage& page, std::shared_ptr<Clock> clock, Log log, Told told,
                                 Taken taken)
    : file_(std::move(file)),
      server_(server),
      page_(page),
      clock_(std::move(clock)),
      log_(std::move(log)),
      told_(std::move(told)),
      taken_(std::move(taken)),
      current_(std::move(first)) {
  page_.set_certificate_end(current_->certificate_end());
  if (!file_.empty()) thread_ = std::thread([this] { run(); });
}

WebConfigKeeper::~WebConfigKeeper() {
  stop();
}

void WebConfigKeeper::stop() {
  {
    const MutexLock lock(mutex_);
    ending_ = true;
    ends_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void WebConfigKeeper::run() {
  for (;;) {
    look();
    const SteadyTime next = clock_->steady() + kLookEvery;
    const MutexLock lock(mutex_);
    while (!ending_ && clock_->steady() < next) clock_->wait_until(ends_, mutex_, next);
    if (ending_) return;
  }
}

std::string WebConfigKeeper::refusal_of(const web::WebConfig& next) const {
  const MutexLock lock(mutex_);
  const std::string why = current_->refusal_of(next);
  return why.empty() ? why : "web.config.file " + escape_control(file_) + " " + why;
}

std::vector<std::string> WebConfigKeeper::changes_to(const web::WebConfig& next) const {
  const MutexLock lock(mutex_);
  return current_->changes_to(next);
}

Result<void> WebConfigKeeper::take(web::WebConfig next) {
  const MutexLock lock(mutex_);
  // The files may have changed again since `next` was read.
  print_.clear();
  refused_ = false;
  return serve(std::move(next));
}

Result<void> WebConfigKeeper::serve(web::WebConfig next) {
  next.go_on_from(*current_);
  auto config = std::make_shared<const web::WebConfig>(std::move(next));
  if (!server_.set_web_config(config)) {
    return failure(ErrorKind::unavailable,
                   "tls_server_config: this build has no TLS; build it with the project's own CivetWeb "
                   "(exporter/web/README.md)");
  }
  current_ = std::move(config);
  page_.set_certificate_end(current_->certificate_end());
  taken_(*current_);
  return {};
}

void WebConfigKeeper::look() {
  std::string why;
  {
    const MutexLock lock(mutex_);
    // Before they are read: what changes meanwhile is seen at the next look.
    std::string print = prints_.look(current_->files, clock_->now());
    if (print == print_) return;
    print_ = std::move(print);
    auto next = web::WebConfig::load(file_, clock_->now());
    why = next ? current_->refusal_of(*next) : next.error().message;
    if (next && !why.empty()) why.insert(0, "web.config.file " + escape_control(file_) + " ");
    const auto changes = next ? current_->changes_to(*next) : std::vector<std::string>();
    if (why.empty()) {
      // One that the file names for the first time is looked at from now on.
      if (next->files != current_->files) print_.clear();
      next->users.take_rest(current_->users);
      if (const auto served = serve(*std::move(next)); !served) why = served.error().message;
    }
    const bool mended = why.empty() && refused_;
    refused_ = !why.empty();
    if (refused_) {
      log_->error("web configuration changed and was refused, the previous one stays in use: {}",
                  join(lines_of(why), "; "));
    } else if (!changes.empty() || mended) {
      log_->info("web configuration read anew: {}", changes.empty() ? "as before" : join(changes, "; "));
      log_each(log_, spdlog::level::warn, current_->notes);
    }
    if (!refused_ && !mended) return;
  }
  told_(why);
}

}  // namespace wal_exporter::app

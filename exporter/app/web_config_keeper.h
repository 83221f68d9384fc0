// The web configuration in use: given to the server, and read anew when its file or a file that
// it names changes, within about a second and without a signal.
//
// Safe from any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/result.h"
#include "metrics/page.h"
#include "web/file_prints.h"
#include "web/server.h"
#include "web/web_config.h"

namespace wal_exporter::app {

class WebConfigKeeper {
 public:
  // Of a change that was found here: why it was refused; empty: one was taken after all. Called
  // without a lock.
  using Told = std::function<void(const std::string& refused)>;

  // Of each configuration that takes another's place.
  using Taken = std::function<void(const web::WebConfig& now)>;

  // `first` is what `server` was started with. `file` empty: nothing is looked at.
  WebConfigKeeper(std::string file, std::shared_ptr<const web::WebConfig> first, web::Server& server,
                  metrics::MetricsPage& page, std::shared_ptr<Clock> clock, Log log, Told told, Taken taken);
  ~WebConfigKeeper();
  WebConfigKeeper(const WebConfigKeeper&) = delete;
  WebConfigKeeper& operator=(const WebConfigKeeper&) = delete;

  // For a reload. Why `next` may not be taken; empty: it may.
  [[nodiscard]] std::string refusal_of(const web::WebConfig& next) const WAL_EXPORTER_EXCLUDES(mutex_);
  [[nodiscard]] std::vector<std::string> changes_to(const web::WebConfig& next) const WAL_EXPORTER_EXCLUDES(mutex_);
  // An error, and the previous one stays: it asks for TLS, which this build has not.
  [[nodiscard]] Result<void> take(web::WebConfig next) WAL_EXPORTER_EXCLUDES(mutex_);

  // Looks once, as the thread does each second.
  void look() WAL_EXPORTER_EXCLUDES(mutex_);
  // Safe to call again.
  void stop() WAL_EXPORTER_EXCLUDES(mutex_);

 private:
  void run() WAL_EXPORTER_EXCLUDES(mutex_);
  [[nodiscard]] Result<void> serve(web::WebConfig next) WAL_EXPORTER_REQUIRES(mutex_);

  const std::string file_;
  web::Server& server_;
  metrics::MetricsPage& page_;
  const std::shared_ptr<Clock> clock_;
  const Log log_;
  const Told told_;
  const Taken taken_;

  mutable Mutex mutex_;  // guards what is in use
  CondVar ends_;
  bool ending_ WAL_EXPORTER_GUARDED_BY(mutex_) = false;
  std::shared_ptr<const web::WebConfig> current_ WAL_EXPORTER_GUARDED_BY(mutex_);
  web::FilePrints prints_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::string print_ WAL_EXPORTER_GUARDED_BY(mutex_);  // of what was read last; empty: to be read anew
  bool refused_ WAL_EXPORTER_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace wal_exporter::app
